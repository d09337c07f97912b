-- Shared: ends all credentials of a holder.
--
-- The keys of credentials are put together here: one node holds all.

-- `held` is the holder's set, `prefix` what stands before the credentials. One that another program spoilt holds none.
local function revoke_all(held, prefix)
  local entries = redis.pcall('ZRANGE', held, 0, -1)
  for _, entry in ipairs(entries.err and {} or entries) do
    redis.call('DEL', prefix .. string.match(entry, '%S+$'))
  end
  redis.call('DEL', held)
end
