-- Shared: the order of the levels, and the level that counts.
-- A session's own level is void where it was written before its client's memory was last cleared.

local RANK = { none = 0, standard = 0, elevated = 1, high = 2, crisis = 3 }
local LEVEL = { [0] = 'none', 'elevated', 'high', 'crisis' }
local GOES_ON = { initializing = true, active = true, transitioning = true }

local function counting(own, own_epoch, memory, cleared_epoch)
  if (tonumber(own_epoch) or 0) < (tonumber(cleared_epoch) or 0) then
    own = nil
  end
  return math.max(RANK[own or 'none'] or 0, RANK[memory or 'none'] or 0)
end
