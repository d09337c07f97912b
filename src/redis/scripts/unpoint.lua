-- unpoint: takes a line's pointer away where it names a session that is not there. Safe to repeat.
--
-- KEYS  1 newest of the line, 2 state of the session that it named
-- ARGV  1 the number that it named
-- reply 1 where it was taken away, else 0

if redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('EXISTS', KEYS[2]) == 0 then
  return redis.call('DEL', KEYS[1])
end
return 0
