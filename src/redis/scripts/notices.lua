-- notices: the open alerts of an organisation of which channels may have to tell, those without a notice first.
-- (after alert.lua)
--
-- KEYS  for each channel the alerts by the ms in which something is to be done about them
-- ARGV  1 prefix of the alerts, 2 ms until which, 3 most of each channel
-- reply for each channel a list: id, the alert (names and values), id, ...
--
-- The sets only tell where to look; the alert tells what was told of it. What of a set was lost is put back.

local function is_open(id)
  local was = alert_of(ARGV[1], id)
  return was and was.state == 'open'
end

-- Where the set was lost, or was made before there were notices, every open alert is looked at.
local function whole(set)
  local kind = redis.call('TYPE', set).ok
  if kind ~= 'zset' then
    redis.call('DEL', set)
    for _, level in ipairs(LEVELS) do
      for _, id in ipairs(ids_in(place_of(ARGV[1], 'open', level))) do
        redis.call('ZADD', set, 0, id)
      end
    end
  end
  return set
end

local reply = {}
for at, set in ipairs(KEYS) do
  local due = {}
  for _, id in ipairs(redis.call('ZRANGE', whole(set), '-inf', ARGV[2], 'BYSCORE', 'LIMIT', 0, ARGV[3])) do
    if is_open(id) then
      due[#due + 1] = id
      due[#due + 1] = redis.call('HGETALL', ARGV[1] .. id)
    else
      redis.call('ZREM', set, id)
    end
  end
  reply[at] = due
end
return reply
