-- Opens a family of refresh tokens; where a session has too many, the one that idles longest makes way.
local family, key_hash, current, user, sealed = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local idle, absolute, most, jti = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, count, oldest, oldest_idle = redis.call('HGETALL', KEYS[1]), 0, nil, nil
for i = 1, #all, 2 do
  if string.sub(all[i], -2) ~= ':s' then
    local known = cjson.decode(all[i + 1])
    if known.idle <= now then
      redis.call('HDEL', KEYS[1], all[i], all[i] .. ':s')
    else
      count = count + 1
      if not oldest or known.idle < oldest_idle then oldest, oldest_idle = all[i], known.idle end
    end
  end
end
if count >= most then redis.call('HDEL', KEYS[1], oldest, oldest .. ':s') end
local ends = now + absolute
local record = { key = key_hash, current = current, user = user, idle = math.min(now + idle, ends), ends = ends, recent = {} }
if jti ~= '' then record.tokens = { { id = jti, ends = now + tonumber(ARGV[10]) } } end
redis.call('HSET', KEYS[1], family, cjson.encode(record), family .. ':s', sealed)
if redis.call('PTTL', KEYS[1]) < record.idle - now then redis.call('PEXPIRE', KEYS[1], record.idle - now) end
return { 'opened', tostring(record.idle - now) }
