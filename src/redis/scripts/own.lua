-- own: says who looks after an alert. Safe to repeat.
--
-- KEYS  1 the alert
-- ARGV  1 who, or empty
-- reply the alert (names and values), nothing where there is none

if not redis.call('HGET', KEYS[1], 'kind') then
  return {}
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
return redis.call('HGETALL', KEYS[1])
