-- Shared: on what a turn begins. The session is told where the server that asks keeps it no more as it stands, so that
-- this costs no second round trip; one that keeps nothing reads it with plain commands behind the script.
--
-- `kept` is `revision turn_count last_interaction` of the session that the server keeps, or - where it reads it itself.

-- Adds whether it exists, revision, turn_count, last_interaction, memory as levels.lua orders it
-- or nil where there is none; and where it is told, state and meta (names and values) and the latest exchanges.
local function add_facts(reply, session, memory, kept, keys, last_place)
  local revision, turn_count, last_interaction = session[1] or '', session[2] or '', session[3] or ''
  local at = #reply
  reply[at + 1], reply[at + 2] = session.exists and 1 or 0, revision
  reply[at + 3], reply[at + 4], reply[at + 5] = turn_count, last_interaction, memory
  if session.exists and kept ~= '-' and kept ~= revision .. ' ' .. turn_count .. ' ' .. last_interaction then
    reply[at + 6] = redis.call('HGETALL', keys[1])
    reply[at + 7] = redis.call('HGETALL', keys[2])
    reply[at + 8] = redis.call('LRANGE', keys[3], 0, last_place)
  end
  return reply
end
