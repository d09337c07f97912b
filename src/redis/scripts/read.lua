-- read: a session as it stands at one moment, with its client's memory.
-- (after levels.lua)
--
-- KEYS  1 state, 2 meta, 3 safety memory of the client in ARGV 2
-- ARGV  1 prefix of safety memories, 2 client where the session names none
-- reply ms that it still stands (-1: without end, -2: there is none), memory as levels.lua orders it,
--       state (names and values), meta (names and values)
--
-- Changes no expiry: a reader must not keep a person's data alive.

local state = redis.call('HGETALL', KEYS[1])
local client = redis.call('HGET', KEYS[1], 'client') or ARGV[2]
local memory = redis.call('HMGET', client == ARGV[2] and KEYS[3] or ARGV[1] .. client,
  unpack(MEMORY))
return { redis.call('PTTL', KEYS[1]), memory, state, redis.call('HGETALL', KEYS[2]) }
