-- Counts one request against a rate that all gateways share: one every ARGV[1] microseconds, ARGV[2] of them at once after a pause.
-- What is kept is the time at which the bucket is full again; it goes by itself then.
local one = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(tonumber(redis.call('HGET', KEYS[1], 'full') or 0), now)
local taken = '0'
if full + one - now <= one * tonumber(ARGV[2]) then
  full, taken = full + one, '1'
  redis.call('HSET', KEYS[1], 'full', string.format('%.3f', full))
  redis.call('PEXPIRE', KEYS[1], math.ceil((full - now) / 1000))
end
return { taken, string.format('%.0f', full - now) }
