-- Keeps a search for whoever runs it.
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return { 'gone' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + tonumber(ARGV[2])) .. ':' .. string.match(known, '%d+$'))
return { 'kept' }
