-- Ends a family, for whoever has held a token of it.
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found or cjson.decode(found).key ~= ARGV[2] then return { 'unknown' } end
redis.call('HDEL', KEYS[1], ARGV[1], ARGV[1] .. ':s')
return { 'ended' }
