-- chat_delete: removes a chat with all that was said in it. Safe to repeat.
--
-- KEYS  1 chat, 2 index of the organisation's chats, then all that stands beside the chat
-- ARGV  1 session id
-- reply 1 where there was one

local was_there = redis.call('EXISTS', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
for at, key in ipairs(KEYS) do
  if at ~= 2 then
    redis.call('DEL', key)
  end
end
return was_there
