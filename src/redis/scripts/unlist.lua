-- Shared: takes sessions out of every index of its organisation, and from their clients.
-- (after former.lua)
--
-- The sets by status and level are named by what they hold, so their keys are put together here: one node holds all.

local INDICES = { 'expires', 'idle', 'initializing', 'active', 'paused', 'transitioning', 'completed', 'error', 'expired',
  'none', 'elevated', 'high', 'crisis' }

local AT_ONCE = 500

-- `index`, `clients` and `safety` are what stands before the names of the sets, of the clients' sets of sessions and of
-- the safety memories.
local function unlist(active, index, clients, safety, ids)
  for _, id in ipairs(ids) do
    local client = redis.call('HGET', index .. 'clients', id)
    if client then
      redis.call('ZREM', clients .. client, id)
      if former_client(index .. 'clients', safety, id) then
        redis.call('SADD', clients .. client .. FORMER, id)
      else
        redis.call('HDEL', index .. 'clients', id)
      end
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
