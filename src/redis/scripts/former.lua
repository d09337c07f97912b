-- Shared: whose a session was that has gone. Told while its client is in danger, so that who comes back under the same
-- id is not met as somebody new.
--
-- sessions:clients names the client; the client's own set says which names stand without a session.

-- `clients` is the key of sessions:clients, `safety` what stands before the safety memories. One that another program
-- spoilt tells nothing.
local function former_client(clients, safety, id)
  local client = redis.call('HGET', clients, id)
  local level = client and redis.pcall('HGET', safety .. client, 'level')
  return type(level) == 'string' and level ~= 'none' and client or nil
end

-- Forgets whose the gone sessions of a client were, as its level has fallen.
local function forget_former(clients, own, client, sessions)
  for _, id in ipairs(redis.call('SMEMBERS', own .. FORMER)) do
    if redis.call('HGET', clients, id) == client and redis.call('EXISTS', sessions .. id .. STATE) == 0 then
      redis.call('HDEL', clients, id)
    end
  end
  redis.call('DEL', own .. FORMER)
end
