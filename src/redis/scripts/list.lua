-- list: a page of an organisation's sessions, latest interaction first, with what each one's client is remembered for.
-- (after levels.lua, former.lua, unlist.lua, outbox.lua and events.lua;
-- the names of the keys behind a session's prefix come from keys.rs)
--
-- KEYS  1 active_sessions, 2 and 3 the sets of the status and of the level that are asked for, where they are
-- ARGV  1 prefix of sessions, 2 prefix of the indices, 3 prefix of safety memories
--       4 status, 5 level, 6 substate, 7 part of a session or client id: `-` or empty where it is not asked for
--       8 earliest last interaction in seconds or -
--       9 last interaction of the row after which the page begins, in seconds with six digits, or -, 10 its id
--       11 most rows, 12 most entries looked at, 13 most entries that are counted, 14 prefix of clients' sessions
-- reply total, 1 where it is an estimate, then the place where the page ended (last interaction, id; nil nil at the end),
--       then the rows: id, state (names and values), memory as levels.lua orders it,
--       meta (names and values)
--
-- Of a session that another program made only Attune can tell the client: its row has no memory, but its meta, and
-- passes every filter but those by id, substate and time. A session whose state is gone is taken out of the indices.
-- Equal times stand in the reverse order of their ids. Scores are doubles; two are equal that agree in six digits.
-- The keys of states and memories are put together here: one node holds all.

local SESSIONS, INDEX, SAFETY = ARGV[1], ARGV[2], ARGV[3]
local STATUS, LEVEL_ASKED, SUBSTATE, PART, SINCE = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local ROWS_MAX, LOOK_MAX, COUNT_MAX = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local STEP = 100

-- The set in which the fewest have to be passed over, and the other where two are asked for.
local set, other = KEYS[2] or KEYS[1], KEYS[3]
if other and redis.call('ZCARD', other) < redis.call('ZCARD', set) then
  set, other = other, set
end

local function total()
  if SINCE == '-' and not other then
    return redis.call('ZCARD', set), 0
  elseif SINCE == '-' then
    local both = redis.call('ZINTERCARD', 2, set, other, 'LIMIT', COUNT_MAX)
    return both, both >= COUNT_MAX and 1 or 0
  elseif not other then
    return redis.call('ZCOUNT', set, SINCE, '+inf'), 0
  end
  local most = math.min(COUNT_MAX, LOOK_MAX)
  local ids = redis.call('ZRANGE', set, '+inf', SINCE, 'BYSCORE', 'REV', 'LIMIT', 0, most)
  local both = 0
  for _, id in ipairs(ids) do
    both = both + (redis.call('ZSCORE', other, id) and 1 or 0)
  end
  return both, #ids >= most and 1 or 0
end

-- The order of a sorted set's ties, which the order of Lua's texts is not in every locale.
local function is_before(a, b)
  for at = 1, math.min(#a, #b) do
    local left, right = string.byte(a, at), string.byte(b, at)
    if left ~= right then
      return left < right
    end
  end
  return #a < #b
end

-- How many stand ahead of the page.
local function start()
  local score, id = ARGV[9], ARGV[10]
  if score == '-' then
    return 0
  end
  local stands = redis.call('ZSCORE', set, id)
  if stands and string.format('%.6f', stands) == score then
    return redis.call('ZREVRANK', set, id) + 1
  end
  local low, high = redis.call('ZCOUNT', set, '(' .. score, '+inf'), redis.call('ZCOUNT', set, score, '+inf')
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(redis.call('ZREVRANGE', set, middle, middle)[1], id) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end

local memories = {}

local function memory_of(client)
  if not memories[client] then
    memories[client] = redis.call('HMGET', SAFETY .. client, unpack(MEMORY))
  end
  return memories[client]
end

-- Whether status and level as they count are those that are asked for.
local function counts_as_asked(status, level, epoch, paused_by, memory)
  local counted = counting(level, epoch, memory[1], memory[5])
  if LEVEL_ASKED ~= '-' and LEVEL[counted] ~= LEVEL_ASKED then
    return false
  end
  if counted >= 2 and GOES_ON[status] then
    status = 'paused'
  elseif counted < 2 and status == 'paused' and paused_by == 'safety'
    and (tonumber(epoch) or 0) < (tonumber(memory[5]) or 0) then
    status = 'active'
  end
  return STATUS == '-' or STATUS == status
end

local function has_part(key, id)
  if PART == '' or string.find(id, PART, 1, true) then
    return true
  end
  local client_id = redis.pcall('HGET', key .. META, 'client_id')
  return type(client_id) == 'string' and string.find(client_id, PART, 1, true) ~= nil
end

local dead = {}

-- The parts of a row; nil where it is not asked for.
local function row(id)
  local key = SESSIONS .. id
  local state = redis.pcall('HMGET', key .. STATE, 'client', 'memory', 'status', 'safety_level', 'safety_epoch',
    'paused_by', 'current_substate')
  if state.err then
    -- Another program's value of another type: it must not hide the others.
    return nil
  end
  local client, is_own = state[1], state[2]
  if not client and redis.call('EXISTS', key .. STATE) == 0 then
    dead[#dead + 1] = id
    return nil
  end
  if (SUBSTATE ~= '' and state[7] ~= SUBSTATE) or not has_part(key, id) then
    return nil
  end
  if client and is_own then
    local memory = memory_of(client)
    if counts_as_asked(state[3], state[4], state[5], state[6], memory) then
      return redis.call('HGETALL', key .. STATE), memory, {}
    end
    return nil
  end
  return redis.call('HGETALL', key .. STATE), false, redis.call('HGETALL', key .. META)
end

local reply, rows, looked, at = { 0, 0, false, false }, 0, 0, start()

-- The place of the last entry that was looked at, and of the last row.
local last_score, last_id, row_score, row_id = false, false, false, false

-- True where the page is at its end.
local function look_at(id, score)
  if SINCE ~= '-' and tonumber(score) < tonumber(SINCE) then
    return true
  end
  looked = looked + 1
  -- Other ids than Attune's are no sessions of it.
  if not string.find(id, '^[A-Za-z0-9_.@-]+$') then
    return false
  end
  last_score, last_id = string.format('%.6f', score), id
  local state, memory, meta = row(id)
  if state and rows == ROWS_MAX then
    reply[3], reply[4] = row_score, row_id
    return true
  elseif state then
    rows, row_score, row_id = rows + 1, last_score, id
    local to = #reply
    reply[to + 1], reply[to + 2], reply[to + 3], reply[to + 4] = id, state, memory, meta
  end
  if looked == LOOK_MAX then
    reply[3], reply[4] = last_score, last_id
    return true
  end
  return false
end

local is_done = false
while not is_done do
  local entries = redis.call('ZREVRANGE', set, at, at + STEP - 1, 'WITHSCORES')
  for entry = 1, #entries, 2 do
    if not is_done then
      is_done = look_at(entries[entry], entries[entry + 1])
    end
  end
  at = at + STEP
  is_done = is_done or #entries < 2 * STEP
end
tell_ended(KEYS[1], INDEX, dead)
unlist(KEYS[1], INDEX, ARGV[14], SAFETY, dead)
reply[1], reply[2] = total()
return reply
