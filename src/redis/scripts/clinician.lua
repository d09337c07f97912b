-- clinician: keeps, changes or removes one who logs in. Safe to repeat.
-- (after credited.lua)
--
-- KEYS  1 clinician, 2 names of the organisation's clinicians, 3 credentials of the clinician, 4 organisations
-- ARGV  1 add, set or remove, 2 name, 3 who it is, as JSON, or empty, 4 prefix of credentials, 5 organisation
-- reply 1, or 0: to add, the name is another's; to set and to remove, there is nobody of that name
--
-- Whoever is set or removed has no login any more, and no tries against them.

local about = redis.call('HGET', KEYS[1], 'about')
if ARGV[1] == 'add' then
  if about then
    return about == ARGV[3] and 1 or 0
  end
elseif not about then
  return 0
end
revoke_all(KEYS[3], ARGV[4])
redis.call('DEL', KEYS[1])
if ARGV[1] == 'remove' then
  redis.call('SREM', KEYS[2], ARGV[2])
  return 1
end
redis.call('HSET', KEYS[1], 'about', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[2])
redis.call('SADD', KEYS[4], ARGV[5])
return 1
