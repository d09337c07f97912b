-- Shared: takes sessions out of every index of its organisation, and from their clients.
--
-- The sets by status and level are named by what they hold, so their keys are put together here: one node holds all.

local INDICES = { 'expires', 'idle', 'initializing', 'active', 'paused', 'transitioning', 'completed', 'error', 'expired',
  'none', 'elevated', 'high', 'crisis' }

local AT_ONCE = 500

-- `index` and `clients` are what stands before the names of the sets, and of the clients' sets of sessions.
local function unlist(active, index, clients, ids)
  for _, id in ipairs(ids) do
    local client = redis.call('HGET', index .. 'clients', id)
    if client then
      redis.call('ZREM', clients .. client, id)
      redis.call('HDEL', index .. 'clients', id)
    end
  end
  for from = 1, #ids, AT_ONCE do
    local upto = math.min(from + AT_ONCE - 1, #ids)
    redis.call('ZREM', active, unpack(ids, from, upto))
    for _, name in ipairs(INDICES) do
      redis.call('ZREM', index .. name, unpack(ids, from, upto))
    end
  end
end
