-- Ends a family, for whoever has held a token of it: nothing more comes of it. What came of it and still goes on is told.
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then return { 'unknown' } end
local record = cjson.decode(found)
if record.key ~= ARGV[2] then return { 'unknown' } end
record.dead = true
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(record))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said = { 'ended' }
for _, one in ipairs(record.tokens or {}) do
  if one.ends > now then
    said[#said + 1] = one.id
    said[#said + 1] = string.format('%.0f', one.ends - now)
  end
end
return said
