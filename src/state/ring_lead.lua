-- Who may change the key ring, and the ring, if it is another than the one that is known.
-- Whoever leads has a number that nobody had before; what the one before still writes is refused by it.
local me, known, ttl, take = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local leader = redis.call('HGET', KEYS[1], 'leader')
local till = tonumber(redis.call('HGET', KEYS[1], 'till') or '0')
local fence = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
local leads = leader == me
if not leads and (not leader or till <= now or take == '1') then
  fence, leads = fence + 1, true
  redis.call('HSET', KEYS[1], 'leader', me, 'fence', string.format('%d', fence))
end
if leads then redis.call('HSET', KEYS[1], 'till', string.format('%d', now + ttl)) end
local version = redis.call('HGET', KEYS[1], 'version') or '0'
local answer = { leads and '1' or '0', string.format('%d', fence), version, string.format('%d', now) }
if version ~= known and version ~= '0' then answer[5] = redis.call('HGET', KEYS[1], 'ring') end
return answer
