-- Takes a search that nobody runs; one that is too old goes.
local lease, old = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local until_, since = string.match(all[i + 1], '^(%d+):(%d+)$')
  if not until_ then
    redis.call('HDEL', KEYS[1], all[i])
  elseif tonumber(until_) <= now then
    if tonumber(until_) + old <= now and tonumber(since) + old <= now then
      redis.call('HDEL', KEYS[1], all[i])
    else
      redis.call('HSET', KEYS[1], all[i], string.format('%.0f', now + lease) .. ':' .. since)
      return { all[i] }
    end
  end
end
return {}
