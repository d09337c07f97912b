-- acknowledge: notes who has seen an alert. A session that its report held gets a whole TTL. Safe to repeat under the
-- same name of the call.
-- (after the names of keys.rs, levels.lua, write.lua, align.lua and alert.lua)
--
-- KEYS  1 the alert, 2 sessions:expires, 3 sessions:idle
-- ARGV  1 id of the alert, 2 what names this call, 3 by whom, or empty, 4 note, or empty, 5 prefix of the alerts,
--       6 prefix of sessions, 7 prefix of safety memories, 8 prefix of the replies of creates,
--       9 ms that an alert stands then, 10 TTL ms where a hash has none
-- reply absent | done, the alert (names and values) | already, the alert

local was = alert_of(ARGV[5], ARGV[1])
if not was then
  return { 'absent' }
end
if was.call == ARGV[2] then
  return { 'done', redis.call('HGETALL', KEYS[1]) }
end
if was.state ~= 'open' then
  return { 'already', redis.call('HGETALL', KEYS[1]) }
end

local time = redis.call('TIME')
local now_ms = math.floor((time[1] * 1000000 + time[2]) / 1000)
redis.call('HSET', KEYS[1], 'acknowledged_at', string.format('%010d%06d', time[1], time[2]), 'acknowledged_by', ARGV[3],
  'note', ARGV[4], 'acknowledged_call', ARGV[2])
move_alert(ARGV[5], ARGV[1], was, 'acknowledged', now_ms, ARGV[9])

-- One report less holds the session.
local function answer_report(id)
  local state = ARGV[6] .. id .. STATE
  if redis.call('EXISTS', state) == 0 or redis.call('HINCRBY', state, 'open_reports', -1) > 0 then
    return
  end
  local memory = redis.call('HMGET', ARGV[7] .. was.client, 'level', 'cleared_epoch')
  local own = redis.call('HMGET', state, 'safety_level', 'safety_epoch')
  if counting(own[1], own[2], memory[1], memory[2]) < 2 then
    -- Idle time counts from here, too.
    redis.call('HSET', state, 'slid_ms', string.format('%.0f', now_ms))
    end_hold(id, { sessions = ARGV[6], expires = KEYS[2], idle = KEYS[3], creates = ARGV[8], ttl_ms = ARGV[10] }, now_ms)
  end
end

if was.kind == 'report' then
  redis.call('ZREM', ours(ARGV[5] .. 'client:' .. was.client), ARGV[1])
  if was.session ~= '' then
    -- The report was seen, whatever another program made of the session.
    pcall(answer_report, was.session)
  end
end
return { 'done', redis.call('HGETALL', KEYS[1]) }
