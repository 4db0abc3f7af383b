-- Notes a session in its user's record; what has ended goes, and the one that ends first if there are too many.
local sid, life, sealed, most = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], sid, string.format('%.0f', now + life) .. ':' .. sealed)
local all, count, first, first_ends = redis.call('HGETALL', KEYS[1]), 0, nil, nil
for i = 1, #all, 2 do
  local ends = tonumber(string.match(all[i + 1], '^%d+'))
  if ends <= now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    count = count + 1
    if not first or ends < first_ends then first, first_ends = all[i], ends end
  end
end
if count > most then redis.call('HDEL', KEYS[1], first) end
if redis.call('PTTL', KEYS[1]) < life then redis.call('PEXPIRE', KEYS[1], life) end
return { 'noted' }
