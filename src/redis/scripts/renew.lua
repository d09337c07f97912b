-- renew: sets a lease's time anew. Safe to repeat.
--
-- KEYS  1 lock
-- ARGV  1 lease (32 hexadecimal digits), 2 lease ms
-- reply 1, or 0 where the lease is not held

local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 32) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
