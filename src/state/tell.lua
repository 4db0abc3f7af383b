-- Adds to what was ended; what is too old goes, and the oldest if there is too much.
local entry, keep, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[1], now, entry)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - keep))
redis.call('ZREMRANGEBYRANK', KEYS[1], '0', string.format('%.0f', -most - 1))
redis.call('PEXPIRE', KEYS[1], keep)
return { now }
