-- Writes the key ring, if whoever does it still leads and has read the ring as it is.
local fence, version, ring = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', KEYS[1], 'fence') ~= fence then return { 'led-by-another' } end
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= version then return { 'changed' } end
local next = string.format('%d', tonumber(version) + 1)
redis.call('HSET', KEYS[1], 'ring', ring, 'version', next)
return { 'written', next }
