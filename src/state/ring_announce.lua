-- Says which keys a gateway signs with and publishes, and returns what the others that live say.
local me, said, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], me, string.format('%d', now + ttl) .. ' ' .. said)
redis.call('PEXPIRE', KEYS[1], ttl)
local all, others = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local till, text = string.match(all[i + 1], '^(%d+) (.*)$')
  if not till or tonumber(till) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= me and #others < 64 then
    others[#others + 1] = text
  end
end
return others
