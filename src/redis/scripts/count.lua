-- count: adds to the counters of days and years, once under the same name of the call.
--
-- KEYS  1 the name of this server's last call, then the pages of the days, then those of years
-- ARGV  1 name of this call, 2 ms that a day's page stands, counted from its first write, 3 ms that the name is remembered,
--       4 how many pages are days', then page (its place in KEYS), counter and by how much, in turn
-- reply 1, or 0 where it was done already
--
-- A counter of which another program made something else is passed over.

if redis.call('GET', KEYS[1]) == ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
for at = 5, #ARGV, 3 do
  redis.pcall('HINCRBY', KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2])
end
for page = 2, 1 + ARGV[4] do
  redis.call('PEXPIRE', KEYS[page], ARGV[2], 'NX')
end
return 1
