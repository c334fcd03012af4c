/**
 * A board in Redis is two keys with one hash tag, so that both lie in one slot of a cluster:
 *
 * - `{…}:rank`, a sorted set. Score: the entry's score as it sorts ascending (negated where higher is better), exact up to
 *   2^53. Member: `achievedAt` as 15 digits and the user id, so that of equal scores the one reached first comes first.
 * - `{…}:entries`, a hash from user id to `<achievedAt as 15 digits>:<version>`, or to nothing for an erased user, who must
 *   not come back with a late change. Its fields `~epoch`, `~version` and `~erased` tell of the board itself.
 *
 * Redis may lose a key: evicted, emptied, restarted without its file. So the sorted set holds a sentinel, `~<epoch>` at
 * infinity, where it changes no rank: a board whose keys do not agree on the epoch is lost, and no part of it is read.
 *
 * While a board is rebuilt its next keys exist beside it (`…:next`), and changes go to both.
 */

const HELD = `
local function epoch_of(rank, entries)
  local epoch = redis.call('HGET', entries, '~epoch')
  if epoch and redis.call('ZSCORE', rank, '~' .. epoch) then return epoch end
end
local function member_of(entries, user)
  local entry = redis.call('HGET', entries, user)
  if not entry or entry == '' then return nil, nil, entry end
  return string.sub(entry, 1, 15) .. user, tonumber(string.sub(entry, 17)), entry
end
`;

const SET = `
local function set(rank, entries, user, key, achieved, version)
  local member, known, entry = member_of(entries, user)
  if entry == '' or (known and known >= tonumber(version)) then return end
  if member then redis.call('ZREM', rank, member) end
  redis.call('ZADD', rank, key, achieved .. user)
  redis.call('HSET', entries, user, achieved .. ':' .. version)
end
`;

/** The answer to a read: epoch, version, total, 0-based start, then member and score in turn. False: the board is lost. */
const ANSWER = `
local function answer(epoch, start, rows)
  return {epoch, redis.call('HGET', KEYS[2], '~version'), redis.call('ZCARD', KEYS[1]) - 1, start, rows}
end
local function slice(epoch, start, count)
  local last = math.min(start + count, redis.call('ZCARD', KEYS[1]) - 1) - 1
  local rows = {}
  if last >= start then rows = redis.call('ZRANGE', KEYS[1], start, last, 'WITHSCORES') end
  return answer(epoch, start, rows)
end
`;

const READ = `${HELD}${ANSWER}
local epoch = epoch_of(KEYS[1], KEYS[2])
if not epoch then return false end
`;

/** KEYS rank, entries. ARGV limit; then, for a page after a position, its sort key and member. */
export const PAGE = `${READ}
local limit, key, member = tonumber(ARGV[1]), ARGV[2], ARGV[3]
if not key then return slice(epoch, 0, limit) end
local at = redis.call('ZSCORE', KEYS[1], member)
if at and tonumber(at) == tonumber(key) then return slice(epoch, redis.call('ZRANK', KEYS[1], member) + 1, limit) end
-- The entry has moved on: among those with its score, look for the first that would stand after it.
local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. key)
local high = low + redis.call('ZCOUNT', KEYS[1], key, key)
while low < high do
  local middle = math.floor((low + high) / 2)
  if redis.call('ZRANGE', KEYS[1], middle, middle)[1] <= member then low = middle + 1 else high = middle end
end
return slice(epoch, low, limit)
`;

/** KEYS rank, entries. ARGV user, how many above, how many below. No rows if the user has no entry. */
export const AROUND = `${READ}
local member = member_of(KEYS[2], ARGV[1])
if not member then return answer(epoch, 0, {}) end
local rank = redis.call('ZRANK', KEYS[1], member)
if not rank then return false end
local start = math.max(rank - tonumber(ARGV[2]), 0)
return slice(epoch, start, rank + tonumber(ARGV[3]) + 1 - start)
`;

/** KEYS rank, entries. ARGV users. Rows are member, score and 0-based rank in turn. */
export const MANY = `${READ}
local rows = {}
for i = 1, #ARGV do
  local member = member_of(KEYS[2], ARGV[i])
  if member then
    local score, rank = redis.call('ZSCORE', KEYS[1], member), redis.call('ZRANK', KEYS[1], member)
    if not rank then return false end
    rows[#rows + 1] = member
    rows[#rows + 1] = score
    rows[#rows + 1] = rank
  end
end
return answer(epoch, 0, rows)
`;

/** KEYS rank, entries. Epoch and version; false if the board is lost. */
export const STATE = `${HELD}
local epoch = epoch_of(KEYS[1], KEYS[2])
return epoch and {epoch, redis.call('HGET', KEYS[2], '~version')}
`;

/**
 * KEYS rank, entries, and both next ones. ARGV channel, board, then user, sort key, achieved and version of each change.
 * Previous and new rank (0-based, or -1) of each; false if the board is lost. A board that is being built takes them too.
 */
export const APPLY = `${HELD}${SET}
local epoch = epoch_of(KEYS[1], KEYS[2])
local next = epoch_of(KEYS[3], KEYS[4])
local ranks = {}
for i = 3, #ARGV, 4 do
  if next then set(KEYS[3], KEYS[4], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
  if epoch then
    local before = member_of(KEYS[2], ARGV[i])
    ranks[#ranks + 1] = before and redis.call('ZRANK', KEYS[1], before) or -1
    set(KEYS[1], KEYS[2], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
    local after = member_of(KEYS[2], ARGV[i])
    ranks[#ranks + 1] = after and redis.call('ZRANK', KEYS[1], after) or -1
  end
end
if not epoch then return false end
redis.call('HINCRBY', KEYS[2], '~version', 1)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return ranks
`;

/** KEYS rank, entries, and both next ones. ARGV channel, board, user. */
export const ERASE = `${HELD}
for i = 1, 3, 2 do
  if epoch_of(KEYS[i], KEYS[i + 1]) then
    local member, _, entry = member_of(KEYS[i + 1], ARGV[3])
    if member then redis.call('ZREM', KEYS[i], member) end
    redis.call('HSET', KEYS[i + 1], ARGV[3], '')
    if entry ~= '' then redis.call('HINCRBY', KEYS[i + 1], '~erased', 1) end
    redis.call('HINCRBY', KEYS[i + 1], '~version', 1)
  end
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
`;

/** KEYS rank, entries. ARGV channel, board. Readers see something new that is no score. */
export const TOUCH = `${HELD}
if epoch_of(KEYS[1], KEYS[2]) then redis.call('HINCRBY', KEYS[2], '~version', 1) end
redis.call('PUBLISH', ARGV[1], ARGV[2])
`;

/** KEYS next rank, next entries. ARGV epoch. Begins a board that is empty, and not yet to be read. */
export const BEGIN = `
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZADD', KEYS[1], '+inf', '~' .. ARGV[1])
redis.call('HSET', KEYS[2], '~epoch', ARGV[1], '~version', 1, '~erased', 0)
`;

/** KEYS next rank, next entries. ARGV epoch, then user, sort key, achieved and version of each. False: it was lost. */
export const LOAD = `${HELD}${SET}
if epoch_of(KEYS[1], KEYS[2]) ~= ARGV[1] then return false end
for i = 2, #ARGV, 4 do set(KEYS[1], KEYS[2], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
return 1
`;

/** KEYS rank, entries, and both next ones. ARGV channel, board, epoch. The next board becomes the board. */
export const PROMOTE = `${HELD}
if epoch_of(KEYS[3], KEYS[4]) ~= ARGV[3] then return false end
-- RENAME over a key frees it at once, which takes a second for a million entries; UNLINK leaves that to another thread.
redis.call('UNLINK', KEYS[1], KEYS[2])
redis.call('RENAME', KEYS[3], KEYS[1])
redis.call('RENAME', KEYS[4], KEYS[2])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
`;

/**
 * KEYS rank, entries. ARGV channel, board, then user, sort key, achieved and version of each row of PostgreSQL. Sets right
 * what differs, unless the board knows something newer. How many differed; false if the board is lost.
 */
export const REPAIR = `${HELD}
if not epoch_of(KEYS[1], KEYS[2]) then return false end
local drift = 0
for i = 3, #ARGV, 4 do
  local user, key, achieved, version = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local member, known, entry = member_of(KEYS[2], user)
  if entry ~= '' and not (known and known > tonumber(version)) then
    local score = member and redis.call('ZSCORE', KEYS[1], member)
    if entry ~= achieved .. ':' .. version or not score or tonumber(score) ~= tonumber(key) then
      drift = drift + 1
      if member then redis.call('ZREM', KEYS[1], member) end
      redis.call('ZADD', KEYS[1], key, achieved .. user)
      redis.call('HSET', KEYS[2], user, achieved .. ':' .. version)
    end
  end
end
if drift > 0 then
  redis.call('HINCRBY', KEYS[2], '~version', 1)
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
return drift
`;

/** KEYS rank, entries. ARGV channel, board, users. Takes away entries that should not be there. How many; false: lost. */
export const REMOVE = `${HELD}
if not epoch_of(KEYS[1], KEYS[2]) then return false end
for i = 3, #ARGV do
  local member = member_of(KEYS[2], ARGV[i])
  if member then redis.call('ZREM', KEYS[1], member) end
  redis.call('HDEL', KEYS[2], ARGV[i])
end
redis.call('HINCRBY', KEYS[2], '~version', 1)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return #ARGV - 2
`;

/** KEYS rank, entries. How many entries the sorted set has more than the hash, or fewer; false if the board is lost. */
export const SURPLUS = `${HELD}
if not epoch_of(KEYS[1], KEYS[2]) then return false end
local entries = redis.call('HLEN', KEYS[2]) - 3 - tonumber(redis.call('HGET', KEYS[2], '~erased'))
return redis.call('ZCARD', KEYS[1]) - 1 - entries
`;
