-- note: keeps what a clinician writes down beside a session. Safe to repeat.
--
-- KEYS  1 state
-- ARGV  1 the note as JSON, 2 its id, 3 most notes
-- reply kept | full | absent
--
-- Notes are lines of one field, so that they end with the session whatever moves its end.

local known = redis.call('HMGET', KEYS[1], 'session_id', 'notes')
if not known[1] then
  return 'absent'
end
local notes = known[2] or ''
if string.find(notes, '"' .. ARGV[2] .. '"', 1, true) then
  return 'kept'
end
local _, count = string.gsub(notes, '\n', '')
if count >= tonumber(ARGV[3]) then
  return 'full'
end
redis.call('HSET', KEYS[1], 'notes', notes .. ARGV[1] .. '\n')
return 'kept'
