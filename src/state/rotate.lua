-- Gives a token its successor, the same to all who ask within the grace; whoever asks later shows that the token was taken.
local family, key_hash, shown, nonce, next = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local grace, idle, most, user = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local jti, life, most_tokens = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])
local found = redis.call('HGET', KEYS[1], family)
if not found then return { 'unknown' } end
local record = cjson.decode(found)
-- Who does not know the family's key has never held a token of it, and may not end it.
if record.key ~= key_hash then return { 'unknown' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if record.idle <= now or record.user ~= user then
  redis.call('HDEL', KEYS[1], family, family .. ':s')
  return { record.idle <= now and 'over' or 'other-user' }
end
-- The access token that goes out with this answer, so that it ends with the family.
local function keep()
  local tokens = {}
  for _, one in ipairs(record.tokens or {}) do
    if one.ends > now then tokens[#tokens + 1] = one end
  end
  while #tokens >= most_tokens do table.remove(tokens, 1) end
  if jti ~= '' then tokens[#tokens + 1] = { id = jti, ends = now + life } end
  record.tokens = tokens
  redis.call('HSET', KEYS[1], family, cjson.encode(record))
end
if record.current == shown and not record.dead then
  local recent = { { token = shown, nonce = nonce, at = now } }
  for _, one in ipairs(record.recent) do
    if now - one.at < grace and #recent < most then recent[#recent + 1] = one end
  end
  record.recent, record.current, record.idle = recent, next, math.min(now + idle, record.ends)
  keep()
  if redis.call('PTTL', KEYS[1]) < record.idle - now then redis.call('PEXPIRE', KEYS[1], record.idle - now) end
  return { 'rotated', nonce, tostring(record.idle - now) }
end
for _, one in ipairs(record.recent) do
  if one.token == shown and now - one.at < grace and not record.dead then
    keep()
    return { 'again', one.nonce, tostring(record.idle - now) }
  end
end
return bury({ 'reused' }, family, record, now)
