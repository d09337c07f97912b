-- Shared: what the audit is told of changes, in the same step as the change. It lies in the outbox until it is sealed.

-- Where another program made something else of the outbox, that goes: the name is ours, and no level waits for it.
local function put_out(outbox, entry)
  if type(redis.pcall('RPUSH', outbox, entry)) == 'table' then
    redis.call('DEL', outbox)
    redis.call('RPUSH', outbox, entry)
  end
end

-- Ids, levels and statuses are of letters, digits and _ . - @ alone, but for what another program has written.
local function plain(text)
  return (string.gsub(text, '[^%w_.@-]', '?'))
end

-- `index` is what stands before the names of the indices.
local function enter(index, action, what, id, from, to)
  local time = redis.call('TIME')
  put_out(index .. 'outbox', string.format('{"at_us":%s%06d,"action":"%s","%s":"%s","from":"%s","to":"%s"}', time[1],
    time[2], action, what, plain(id), plain(from), plain(to)))
end
