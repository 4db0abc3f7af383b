-- Where a rollout is, for all gateways alike; and, if it is wished, where it goes: on, back, or to its beginning.
local wish, from, every, why = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local step, since = redis.call('HGET', KEYS[1], 'step'), redis.call('HGET', KEYS[1], 'since')
local back = redis.call('HGET', KEYS[1], 'back')
local function goes(to)
  step, since = to, string.format('%d', now)
  redis.call('HSET', KEYS[1], 'step', step, 'since', since)
end
if not step then goes('0') end
if wish == 'back' and not back then
  redis.call('HSET', KEYS[1], 'back', why)
  back = why
elseif wish == 'resume' then
  redis.call('HDEL', KEYS[1], 'back')
  back = false
  goes('0')
elseif wish == 'next' and not back and step == from and now - tonumber(since) >= every then
  goes(string.format('%d', tonumber(step) + 1))
end
redis.call('PEXPIRE', KEYS[1], 7776000000)
if back then return { step, since, back } end
return { step, since }
