-- Nothing more comes of a family. What came of it and still goes on is told, time and again until the family is dropped: that is to be
-- ended first.
local function bury(said, family, record, now)
  record.dead = true
  redis.call('HSET', KEYS[1], family, cjson.encode(record))
  for _, one in ipairs(record.tokens or {}) do
    if one.ends > now then
      said[#said + 1] = one.id
      said[#said + 1] = string.format('%.0f', one.ends - now)
    end
  end
  return said
end
