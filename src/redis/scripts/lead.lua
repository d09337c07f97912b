-- lead: takes a lead, keeps it, or gives it up. Safe to repeat.
--
-- KEYS  1 the lead
-- ARGV  1 who asks, 2 ms that it stands then; 0: it is given up
-- reply 1 where who asks has it then, else 0

local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then
  return 0
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
