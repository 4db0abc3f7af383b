-- Notes who fetched the key set; who was silent for long goes, and who was silent longest if there are too many.
local most, silent = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 3, #ARGV, 2 do
  local at, longest, known = tonumber(ARGV[i + 1]), 0, redis.call('HGET', KEYS[1], ARGV[i])
  if known then
    local before, pause = string.match(known, '^(%d+):(%d+)$')
    before, longest = tonumber(before), tonumber(pause)
    if at > before then longest = math.max(longest, at - before) else at = before end
  end
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%.0f:%.0f', at, longest))
end
local all, kept = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local at = tonumber(string.match(all[i + 1], '^%d+'))
  if at + silent < now then redis.call('HDEL', KEYS[1], all[i]) else kept[#kept + 1] = { all[i], all[i + 1], at } end
end
table.sort(kept, function(one, other) return one[3] > other[3] end)
local said = {}
for i, reader in ipairs(kept) do
  if i > most then
    redis.call('HDEL', KEYS[1], reader[1])
  else
    said[#said + 1] = reader[1]
    said[#said + 1] = reader[2]
  end
end
if #said > 0 then redis.call('PEXPIRE', KEYS[1], silent) end
return said
