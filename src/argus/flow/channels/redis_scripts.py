"""The steps of a Redis channel that happen whole or not at all, as scripts that run in the server.

Each changes what waits and what is counted together, so the sum closes whenever one of the two ends dies.
Texts only; who sends them is `redis_connection`. All commands in them are of Redis 5.
"""

from __future__ import annotations

import hashlib
from typing import Final

_SHARED: Final = """
local E, C, T, D, L, A = unpack(KEYS)
local G, FREE = 'argus', '~'
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
-- Who takes messages out makes room: behind a write that needs no memory none is refused for want of it.
local function make_room() redis.call('HDEL', T, '') end
local function add(what, n) return redis.call('HINCRBY', C, what, n) end
local function bytes_of(size) -- an entry of somebody else may say anything
  local n = tonumber(size)
  return n and n >= 0 and n < 1e14 and math.floor(n) or 0
end
local function facts(id)
  local found = redis.call('XRANGE', E, id, id)
  if #found == 0 then return nil end
  local list, named = found[1][2], {}
  for i = 1, #list, 2 do named[list[i]] = list[i + 1] end
  return named, list
end
local function remove(id, size, blob)
  if redis.call('XDEL', E, id) == 0 then return false end
  add('bytes', -bytes_of(size))
  redis.call('HDEL', T, id)
  if blob then redis.call('HSET', L, blob, 'g') end
  return true
end
local function fail(id, n, reason, limit, at, link)
  local named, list = facts(id)
  if not named then return 0 end
  local before = tonumber(redis.call('HGET', T, id) or '0')
  if n == 0 then n = before + 1 end
  if n <= before then return before end
  if n >= limit then
    redis.call('XADD', D, '*', 'link', link, 'at', at, 'tries', n, 'reason', reason, unpack(list))
    redis.call('XACK', E, G, id)
    remove(id, named['s'], nil)
    add('dead', 1)
    while redis.call('XLEN', D) > 1000 do
      local old = redis.call('XRANGE', D, '-', '+', 'COUNT', 1)[1]
      for i = 1, #old[2], 2 do
        if old[2][i] == 'b' then redis.call('HSET', L, old[2][i + 1], 'g') end
      end
      redis.call('XDEL', D, old[1])
      add('gone', 1)
    end
    return -n
  end
  redis.call('HSET', T, id, n)
  add('redelivered', 1)
  return n
end
local function over(most, silent)
  local found, said, ended, now = redis.call('HGETALL', C), {}, {}, now_ms()
  for i = 1, #found, 2 do said[found[i]] = found[i + 1] end
  for what, value in pairs(said) do
    local place = what:match('^sender(.*)$')
    if place then
      if said['over' .. place] == value then ended[#ended + 1] = value
      elseif said['seen' .. place] and now - said['seen' .. place] <= silent then return '' end
    end
  end
  if #ended < most then return '' end
  table.sort(ended)
  return table.concat(ended, ' ')
end
local function leave(who, keep, died, reason, limit, at, link)
  local hand = E:sub(1, -9) .. ':hand:' .. who
  local said = redis.call('GET', hand)
  if said and died then
    local held, taken = said:match('^(.-)|(.*)$')
    for id in taken:gmatch('%S+') do
      local named = facts(id)
      if named then
        redis.call('XACK', E, G, id)
        remove(id, named['s'], named['b'])
        add('delivered', 1)
      end
    end
    for id in held:gmatch('%S+') do fail(id, 0, reason, limit, at, link) end
  end
  redis.call('DEL', hand)
  local from = '-'
  while true do
    local found = redis.call('XPENDING', E, G, from, '+', 100, who)
    if #found == 0 then break end
    local ids = {}
    for _, entry in ipairs(found) do
      if not keep[entry[1]] then ids[#ids + 1] = entry[1] end
    end
    if #ids > 0 then
      ids[#ids + 1] = 'JUSTID'
      redis.call('XCLAIM', E, G, FREE, 0, unpack(ids))
    end
    if #found < 100 then break end
    local ms, n = found[#found][1]:match('(%d+)-(%d+)')
    from = ms .. '-' .. (n + 1)
  end
  if next(keep) == nil then
    redis.call('HDEL', A, who)
    redis.call('XGROUP', 'DELCONSUMER', E, G, who)
  end
end
"""


class Script:
    """A script and the name that the server knows it by."""

    def __init__(self, body: str) -> None:
        """Put what all scripts share before `body`."""
        self.text: Final = (_SHARED + body).encode()
        self.sha: Final = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


OPEN: Final = Script("""
pcall(redis.call, 'XGROUP', 'CREATE', E, G, '0', 'MKSTREAM')
return redis.status_reply('OK')
""")
"""Make the stream and its group, where they are not."""

STATE: Final = Script("""
local place = ARGV[1]
local state = redis.call('HMGET', C, 'sender' .. place, 'seq' .. place)
return {state[1], state[2], redis.call('XLEN', E), tonumber(redis.call('HGET', C, 'bytes') or '0')}
""")
"""Of the sender at a place: who it is, which number was counted last, what waits and its bytes."""

NOTE: Final = Script("""
local place = ARGV[2]
local state = redis.call('HMGET', C, 'sender' .. place, 'seq' .. place)
local seq, known = tonumber(ARGV[3]), tonumber(state[2])
if state[1] == ARGV[1] and seq == known + 1 then
  redis.call('HSET', C, 'seq' .. place, seq)
  add('sent', 1)
  add('bytes', ARGV[4])
  return seq
end
redis.call('XDEL', E, redis.call('XREVRANGE', E, '+', '-', 'COUNT', 1)[1][1])
return -1
""")
"""Count the message that was appended just before it in the same transaction, or take it out again, where
`PUT` would not have appended it. A large message is appended so because a script would copy it twice."""

HELLO: Final = Script("""
local who, place, seq, first = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local sender = redis.call('HGET', C, 'sender' .. place)
if first == '0' and sender and sender ~= who then return -1 end
-- Said again also by who is known: where memory is full that is refused, and the sender hears why it waits.
redis.call('HSET', C, 'sender' .. place, who)
if first == '1' or not sender then redis.call('HSET', C, 'seq' .. place, seq) end
if place ~= '' then
  local now, said = now_ms(), redis.call('HGETALL', C)
  redis.call('HSET', C, 'seen' .. place, now)
  redis.call('HDEL', C, 'over')
  local ended = not sender and over(tonumber(ARGV[5]), -1) ~= ''
  for i = 1, #said, 2 do
    local other = said[i]:match('^seen(.*)$')
    if other and now - said[i + 1] > 86400000 then
      redis.call('HDEL', C, 'sender' .. other, 'seq' .. other, 'seen' .. other, 'over' .. other)
    end
    if ended and said[i]:sub(1, 4) == 'over' then redis.call('HDEL', C, said[i]) end
  end
end
local known = tonumber(redis.call('HGET', C, 'seq' .. place))
if known < tonumber(seq) then redis.call('HSET', C, 'seq' .. place, seq) end
return {known, redis.call('XLEN', E), tonumber(redis.call('HGET', C, 'bytes') or '0')}
""")
"""A sender comes to its place (first 1) or comes back (0) with the number of its last confirmed message;
returns the last number known, what waits, and its bytes; -1: another sender has taken its place. Where there
are several, those not heard of for a day are forgotten, and with a new one where all had ended, a new stream
begins: so many there are to be."""

ALIVE: Final = Script("""
if redis.call('HGET', C, 'sender' .. ARGV[2]) == ARGV[1] then
  redis.call('HSET', C, 'seen' .. ARGV[2], now_ms() - (ARGV[3] == '1' and 0 or 3600000))
end
return 1
""")
"""A sender shows life at its place (1), or leaves it (0), as if long ago; that is no end of its stream."""

END: Final = Script("""
if redis.call('HGET', C, 'sender' .. ARGV[2]) ~= ARGV[1] then return -1 end
redis.call('HSET', C, 'over' .. ARGV[2], ARGV[1])
return 1
""")
"""The stream of a sender is over, until another comes to its place; -1: another has come."""

ENDED: Final = Script("""
local said = over(tonumber(ARGV[1]), tonumber(ARGV[2]))
local heard = redis.call('HGET', C, 'heard')
if ARGV[3] == '1' and said ~= '' then redis.call('HSET', C, 'heard', said) end
return {said, heard == said and redis.call('XLEN', E) == 0 and 1 or 0}
""")
"""How many senders must have ended, after how many silent ms one is dead, and 1 to note that the end was had.
Returns the end, empty where there is none, and 1 where it had been had, and nothing waits."""

PUT: Final = Script("""
local place = ARGV[2]
local state = redis.call('HMGET', C, 'sender' .. place, 'seq' .. place)
if state[1] ~= ARGV[1] then return -1 end
local seq, known, size = tonumber(ARGV[3]), tonumber(state[2]), ARGV[4]
if seq > known then
  if seq ~= known + 1 then return -2 end
  if ARGV[7] == 'b' and redis.call('HDEL', L, ARGV[8]) == 0 then return -3 end
  redis.call('XADD', E, '*', 'i', ARGV[5], 'k', ARGV[6], 's', size, ARGV[7], ARGV[8])
  redis.call('HSET', C, 'seq' .. place, seq)
  add('sent', 1)
  add('bytes', size)
end
return seq
""")
"""Append a message, once however often it is said, and only after the one before it. Below 0 it was not: -1:
another sender has taken the place of this one; -2: one before it is missing; -3: its blob was swept away."""

SETTLE: Final = Script("""
local n, ids = 0, {}
for i = 1, #ARGV, 3 do
  ids[#ids + 1] = ARGV[i]
  if remove(ARGV[i], ARGV[i + 1], ARGV[i + 2] ~= '' and ARGV[i + 2] or nil) then n = n + 1 end
end
redis.call('XACK', E, G, unpack(ids))
add('delivered', n)
return n
""")
"""Take delivered messages out: id, size and blob of each; returns how many were still there."""

FAIL: Final = Script("""
make_room()
return fail(ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6])
""")
"""Count a failed try: id, which it was, why, most tries, when (UTC), link. Returns its failed tries, below 0
where it became a dead letter, 0 where it was settled already."""

LEAVE: Final = Script("""
make_room()
local keep = {}
for i = 7, #ARGV do keep[ARGV[i]] = true end
leave(ARGV[1], keep, ARGV[2] == '1', ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6])
return 1
""")
"""A consumer goes: its name, 1 where it died, why, most tries, when, link, then ids that it keeps. What it
had said to be accepted is delivered, what it had in hand has failed, the rest is anybody's."""

ADOPT: Final = Script("""
make_room()
local me, count, look = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local silent, now = tonumber(ARGV[4]), now_ms()
local known = redis.call('HSET', A, me, now) == 0
if look then
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', E, G)) do
    local who = consumer[2]
    if who ~= FREE and who ~= me then
      local seen = redis.call('HGET', A, who)
      if not seen then redis.call('HSET', A, who, now)
      elseif now - seen > silent then leave(who, {}, true, ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8]) end
    end
  end
end
local entries, tries = {}, {}
if count > 0 then
  local ids = {}
  for _, entry in ipairs(redis.call('XPENDING', E, G, '-', '+', count, FREE)) do ids[#ids + 1] = entry[1] end
  if #ids > 0 then
    entries = redis.call('XCLAIM', E, G, me, 0, unpack(ids))
    for i, entry in ipairs(entries) do tries[i] = tonumber(redis.call('HGET', T, entry[1]) or '0') end
  end
end
return {entries, tries, redis.call('XLEN', E), known and 1 or 0, over(tonumber(ARGV[9]), silent)}
""")
"""Show life and take what nobody has: consumer, how many at most, 1 to look for the dead too, after how many
silent ms, what to say of them as for `LEAVE`, and how many senders must have ended. Returns entries, their
failed tries, what waits, 0 where this consumer had been given up meanwhile, or is new, and the end."""

COUNTS: Final = Script("""
return {redis.call('XLEN', E), redis.call('HMGET', C, 'sent', 'delivered', 'dead', 'redelivered')}
""")
"""What waits, and the counts, at one moment."""
