-- Shared: takes a session out of every index of its organisation.
--
-- The sets by status and level are named by what they hold, so their keys are put together here: one node holds all.

local INDICES = { 'expires', 'idle', 'initializing', 'active', 'paused', 'transitioning', 'completed', 'error', 'expired',
  'none', 'elevated', 'high', 'crisis' }

-- `index` is what stands before the sets' names.
local function unlist(active, index, id)
  redis.call('ZREM', active, id)
  for _, name in ipairs(INDICES) do
    redis.call('ZREM', index .. name, id)
  end
end
