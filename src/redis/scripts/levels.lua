-- Shared: the order of the levels, and the level that counts.
-- A session's own level is void where it was written before its client's memory was last cleared.

local RANK = { none = 0, standard = 0, elevated = 1, high = 2, crisis = 3 }
local LEVEL = { [0] = 'none', 'elevated', 'high', 'crisis' }
-- A client's memory in the order in which it is told.
local MEMORY = { 'level', 'since', 'why', 'epoch', 'cleared_epoch', 'cleared_at', 'cleared_why', 'signs', 'noted_id',
  'noted_at' }
local GOES_ON = { initializing = true, active = true, transitioning = true }

local function counting(own, own_epoch, memory, cleared_epoch)
  if (tonumber(own_epoch) or 0) < (tonumber(cleared_epoch) or 0) then
    own = nil
  end
  return math.max(RANK[own or 'none'] or 0, RANK[memory or 'none'] or 0)
end

-- Counts a sign of danger in a client's memory: no re-screen from before it stands any more.
local function sign(memory, by)
  redis.call('HINCRBY', memory, 'signs', 1)
  redis.call('HSET', memory, 'signed_by', by)
  redis.call('HDEL', memory, 'noted_id', 'noted_at')
end
