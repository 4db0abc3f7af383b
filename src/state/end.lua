-- Ends a family, for whoever has held a token of it.
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then return { 'unknown' } end
local record = cjson.decode(found)
if record.key ~= ARGV[2] then return { 'unknown' } end
local time = redis.call('TIME')
return bury({ 'ended' }, ARGV[1], record, time[1] * 1000 + math.floor(time[2] / 1000))
