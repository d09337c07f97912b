-- enter: puts an entry into the outbox of the audit. Repeated at once, it stands there once.
-- (after outbox.lua)
--
-- KEYS  1 outbox, 2 organisations
-- ARGV  1 the entry as JSON, 2 organisation
-- reply 1

local last = redis.pcall('LINDEX', KEYS[1], -1)
if last ~= ARGV[1] then
  put_out(KEYS[1], ARGV[1])
end
redis.call('SADD', KEYS[2], ARGV[2])
return 1
