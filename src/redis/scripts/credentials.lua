-- credentials: what stands of a holder's credentials, oldest first.
--
-- KEYS  1 credentials of the holder
-- ARGV  1 prefix of credentials
-- reply what each stands for, as JSON
--
-- The keys of credentials are put together here: one node holds all.

local standing = {}
for _, entry in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  standing[#standing + 1] = redis.call('HGET', ARGV[1] .. string.match(entry, '%S+$'), 'about') or nil
end
return standing
