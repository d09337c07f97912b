-- Shared: what the audit is told of changes, in the same step as the change. It lies in the outbox until it is sealed.
--
-- `index` is what stands before the names of the indices. Ids, levels and statuses are of letters, digits and _ . - @
-- alone.

local function enter(index, action, what, id, from, to)
  local time = redis.call('TIME')
  local entry = string.format('{"at_us":%s%06d,"action":"%s","%s":"%s","from":"%s","to":"%s"}', time[1], time[2], action,
    what, id, from, to)
  -- Where another program made something else of it, that goes: the name is ours, and no level waits for it.
  if type(redis.pcall('RPUSH', index .. 'outbox', entry)) == 'table' then
    redis.call('DEL', index .. 'outbox')
    redis.call('RPUSH', index .. 'outbox', entry)
  end
end
