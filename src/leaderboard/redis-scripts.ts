/**
 * A board in Redis is three keys with one hash tag, so that all lie in one slot of a cluster:
 *
 * - `{…}:rank`, a sorted set. Score: the entry's score as it sorts ascending (negated where higher is better), exact up to
 *   2^53. Member: `achievedAt` as 15 digits and the user id, so that of equal scores the one reached first comes first.
 * - `{…}:entries`, a hash from user id to `<achievedAt as 15 digits>:<version>`. Its fields `~epoch` and `~version` are the
 *   board's own.
 * - `{…}:tombstones`, a hash from users whose entry was removed to the version up to which a late change must not bring it
 *   back; for an erased user no version does. It outlives rebuilds, and expires a day after the last removal.
 *
 * Redis may lose a key: evicted, emptied, restarted without its file. So the sorted set holds a sentinel, `~<epoch>` at
 * infinity, where it changes no rank: a board whose keys do not agree on the epoch is lost, and no part of it is read.
 *
 * In arguments an empty sort key removes the entry. Scripts that change a board publish the message that they are given.
 *
 * A board is built in keys beside it, which end with its epoch (`…:rank:<epoch>`), and then renamed. Its rows come in plain
 * commands, which read nothing back: scripts would take three times as long for a million. So changes wait
 * meanwhile in `{…}:changes`, a hash from user id to `<version>:<achievedAt as 15 digits>:<sort key>`, the newest of each
 * user; its field `~epoch` says for which build. All three expire if a build is given up.
 */

/** Seconds after which a build that was given up expires. */
const BUILD_WITHIN = 3600;
/** Later than any version. */
const NEVER = 2 ** 53;

const HELD = `
local function epoch_of(rank, entries)
  local epoch, version = unpack(redis.call('HMGET', entries, '~epoch', '~version'))
  -- A version that is none of ours cannot be moved on: the board is as good as lost.
  if not epoch or not version or #version > 15 or not string.match(version, '^%d+$') then return end
  if redis.call('ZSCORE', rank, '~' .. epoch) then return epoch end
end
-- Moves the version on and reports it, so that whoever has seen it knows when a board has fallen back.
local function changed(entries, epoch, by)
  local version = redis.call('HINCRBY', entries, '~version', by)
  redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. epoch .. ' ' .. version)
  return version
end
local function is_awaited(changes)
  return redis.call('HEXISTS', changes, '~epoch') == 1
end
local function member_of(entries, user)
  local entry = redis.call('HGET', entries, user)
  if entry then return string.sub(entry, 1, 15) .. user, tonumber(string.sub(entry, 17)), entry end
end
`;

const WRITE = `
local function removed_until(tombstones, user)
  return tonumber(redis.call('HGET', tombstones, user) or 0)
end
local function remove(rank, entries, tombstones, member, user, version)
  if member then
    redis.call('ZREM', rank, member)
    redis.call('HDEL', entries, user)
  end
  if removed_until(tombstones, user) < tonumber(version) then
    redis.call('HSET', tombstones, user, version)
    redis.call('EXPIRE', tombstones, 86400)
  end
end
local function put(rank, entries, old_member, user, key, achieved, version)
  if old_member and old_member ~= achieved .. user then redis.call('ZREM', rank, old_member) end
  redis.call('ZADD', rank, key, achieved .. user)
  redis.call('HSET', entries, user, achieved .. ':' .. version)
end
local function set(rank, entries, tombstones, user, key, achieved, version)
  local member, known = member_of(entries, user)
  if known and known >= tonumber(version) then return end
  if key == '' then
    remove(rank, entries, tombstones, member, user, version)
  elseif removed_until(tombstones, user) < tonumber(version) then
    put(rank, entries, member, user, key, achieved, version)
  end
end
`;

const KEEP = `
local function keep(changes, user, key, achieved, version)
  local known = redis.call('HGET', changes, user)
  if known and tonumber(string.match(known, '^%d+')) >= tonumber(version) then return end
  redis.call('HSET', changes, user, version .. ':' .. achieved .. ':' .. key)
end
`;

/**
 * The answer to a read: epoch, version, total, 0-based start, how many have a better score than the entry there, then member and
 * score in turn; false if the board is lost.
 */
const ANSWER = `
local function better(key)
  return redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. key)
end
local function answer(epoch, start, before, rows)
  return {epoch, redis.call('HGET', KEYS[2], '~version'), redis.call('ZCARD', KEYS[1]) - 1, start, before, rows}
end
local function slice(epoch, start, count)
  local last = math.min(start + count, redis.call('ZCARD', KEYS[1]) - 1) - 1
  local rows = {}
  if last >= start then rows = redis.call('ZRANGE', KEYS[1], start, last, 'WITHSCORES') end
  return answer(epoch, start, start > 0 and rows[2] and better(rows[2]) or 0, rows)
end
`;

const READ = `${HELD}${ANSWER}
local epoch = epoch_of(KEYS[1], KEYS[2])
if not epoch then return false end
`;

/** KEYS rank, entries. ARGV 0-based start, how many. */
const SLICE = `${READ}
return slice(epoch, tonumber(ARGV[1]), tonumber(ARGV[2]))
`;

/**
 * KEYS rank, entries. ARGV how many before the mark, how many behind it, its sort key, `before` or `after`; then, unless it is beside all
 * entries of that score, a member.
 */
const NEAR = `${READ}
local before, behind, key, side, member = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. key)
local high = low + redis.call('ZCOUNT', KEYS[1], key, key)
if not member then
  if side == 'after' then low = high end
  high = low
end
-- The entry may have moved on: among those with its score, look for the first that stands behind the mark.
while low < high do
  local middle = math.floor((low + high) / 2)
  local other = redis.call('ZRANGE', KEYS[1], middle, middle)[1]
  if other < member or (side == 'after' and other == member) then low = middle + 1 else high = middle end
end
local start = math.max(low - before, 0)
return slice(epoch, start, low + behind - start)
`;

/** KEYS rank, entries. ARGV sort keys. How many entries have each of them or a lower one, as the rows of an answer. */
const COUNT_THROUGH = `${READ}
local counts = {}
for i = 1, #ARGV do counts[i] = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[i]) end
return answer(epoch, 0, 0, counts)
`;

/** KEYS rank, entries. ARGV user, how many on each side. No rows if the user has no entry. */
const AROUND = `${READ}
local member = member_of(KEYS[2], ARGV[1])
if not member then return answer(epoch, 0, 0, {}) end
local rank = redis.call('ZRANK', KEYS[1], member)
if not rank then return false end
local start = math.max(rank - tonumber(ARGV[2]), 0)
return slice(epoch, start, rank + tonumber(ARGV[2]) + 1 - start)
`;

/** KEYS rank, entries. ARGV user. Rows are the entry above, if there is one, its own, and the first one. */
const PLACEMENT = `${READ}
local member = member_of(KEYS[2], ARGV[1])
if not member then return answer(epoch, 0, 0, {}) end
local rank = redis.call('ZRANK', KEYS[1], member)
if not rank then return false end
local start = math.max(rank - 1, 0)
local found = slice(epoch, start, rank + 1 - start)
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local rows = found[6]
rows[#rows + 1], rows[#rows + 2] = first[1], first[2]
return found
`;

/** KEYS rank, entries. ARGV users. Rows are member, score, 0-based rank and how many have a better score, in turn. */
const MANY = `${READ}
local rows = {}
for i = 1, #ARGV do
  local member = member_of(KEYS[2], ARGV[i])
  if member then
    local score, rank = redis.call('ZSCORE', KEYS[1], member), redis.call('ZRANK', KEYS[1], member)
    if not rank then return false end
    rows[#rows + 1] = member
    rows[#rows + 1] = score
    rows[#rows + 1] = rank
    rows[#rows + 1] = better(score)
  end
end
return answer(epoch, 0, 0, rows)
`;

/**
 * KEYS rank, entries, tombstones, changes. ARGV channel, message, then user, sort key, achieved and version of each change. Epoch and
 * version of the board, then previous and new rank (0-based, or -1) of each change. For a board that is being built they wait too: then the answer is 0 if the board
 * itself is lost; false if it is lost and none is being built.
 */
const APPLY = `${HELD}${WRITE}${KEEP}
local epoch = epoch_of(KEYS[1], KEYS[2])
if is_awaited(KEYS[4]) then
  for i = 3, #ARGV, 4 do keep(KEYS[4], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
  if not epoch then
    redis.call('PUBLISH', ARGV[1], ARGV[2])
    return 0
  end
elseif not epoch then
  return false
end
-- Every call of a command costs as much as what it does, so what is known of the users is read at once.
local users = {}
for i = 3, #ARGV, 4 do users[#users + 1] = ARGV[i] end
local entries = redis.call('HMGET', KEYS[2], unpack(users))
local removals = redis.call('HMGET', KEYS[3], unpack(users))
local known, removed = {}, {}
for n, user in ipairs(users) do known[user], removed[user] = entries[n], tonumber(removals[n] or 0) end
local ranks = {epoch, 0}
for n, user in ipairs(users) do
  local key, achieved, version = ARGV[4 * n], ARGV[4 * n + 1], ARGV[4 * n + 2]
  local entry, newest = known[user], tonumber(version)
  local member = entry and string.sub(entry, 1, 15) .. user
  local before = member and redis.call('ZRANK', KEYS[1], member) or -1
  local after = before
  if not entry or tonumber(string.sub(entry, 17)) < newest then
    if key == '' then
      remove(KEYS[1], KEYS[2], KEYS[3], member, user, version)
      known[user], removed[user], after = false, math.max(removed[user], newest), -1
    elseif removed[user] < newest then
      put(KEYS[1], KEYS[2], member, user, key, achieved, version)
      known[user], after = achieved .. ':' .. version, redis.call('ZRANK', KEYS[1], achieved .. user)
    end
  end
  ranks[#ranks + 1] = before
  ranks[#ranks + 1] = after
end
ranks[2] = changed(KEYS[2], epoch, 1)
return ranks
`;

/** Of all instances one takes over a change: who sets this key, which has the same hash tag as the board. */
const claimed = (claim: number, script: string): string => `
if not redis.call('SET', KEYS[${claim}], 1, 'PX', 60000, 'NX') then return 0 end
${script}`;

/** KEYS rank, entries, tombstones, changes, claim. ARGV channel, message, user. */
const ERASE = claimed(
  5,
  `${HELD}${KEEP}
redis.call('HSET', KEYS[3], ARGV[3], ${NEVER})
redis.call('EXPIRE', KEYS[3], 86400)
if is_awaited(KEYS[4]) then keep(KEYS[4], ARGV[3], '', '', '${NEVER}') end
local epoch = epoch_of(KEYS[1], KEYS[2])
if epoch then
  local member = member_of(KEYS[2], ARGV[3])
  if member then redis.call('ZREM', KEYS[1], member) end
  redis.call('HDEL', KEYS[2], ARGV[3])
  changed(KEYS[2], epoch, 1)
else
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
`,
);

/** KEYS rank, entries, claim. ARGV channel, message, user. The display name of a user has changed, who may be on the board. */
const RENAME = claimed(
  3,
  `${HELD}
local epoch = epoch_of(KEYS[1], KEYS[2])
if epoch and redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then
  changed(KEYS[2], epoch, 1)
else
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
`,
);

/** KEYS rank, entries. ARGV channel, message, by how many versions the board moves on. Its epoch and version; false if it is lost. */
const SKIP_VERSIONS = `${HELD}
local epoch = epoch_of(KEYS[1], KEYS[2])
return epoch and {epoch, changed(KEYS[2], epoch, ARGV[3])}
`;

const BEGIN_CHANGES = `
local function begin_changes(changes, epoch)
  redis.call('UNLINK', changes)
  redis.call('HSET', changes, '~epoch', epoch)
  redis.call('EXPIRE', changes, ${BUILD_WITHIN})
end
`;

/**
 * KEYS next rank, next entries, changes, tombstones, rank, entries. ARGV epoch. Begins a board that is empty; from here on changes
 * wait for it. Of a lost board nothing is read, so what is left of it goes first: a large one may not fit twice.
 * Tombstones are kept from board to board, unless there is something else in their place.
 */
const BEGIN = `${HELD}${BEGIN_CHANGES}
-- Something else may be in the place of a key, which is an error there.
local is_board, epoch = pcall(epoch_of, KEYS[5], KEYS[6])
if not is_board or not epoch then redis.call('UNLINK', KEYS[5], KEYS[6]) end
local kept = redis.call('TYPE', KEYS[4]).ok
if kept ~= 'hash' and kept ~= 'none' then redis.call('UNLINK', KEYS[4]) end
redis.call('ZADD', KEYS[1], '+inf', '~' .. ARGV[1])
redis.call('HSET', KEYS[2], '~epoch', ARGV[1], '~version', 1)
for i = 1, 2 do redis.call('EXPIRE', KEYS[i], ${BUILD_WITHIN}) end
begin_changes(KEYS[3], ARGV[1])
`;

/** KEYS next rank, next entries, tombstones. ARGV user, sort key, achieved and version in turn. */
const SET = `${HELD}${WRITE}
for i = 1, #ARGV, 4 do set(KEYS[1], KEYS[2], KEYS[3], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
return 1
`;

/** KEYS changes. ARGV epoch. What has waited, as the hash has it, `~epoch` too; false if some of it was lost. */
const TAKE = `${BEGIN_CHANGES}
if redis.call('HGET', KEYS[1], '~epoch') ~= ARGV[1] then return false end
local taken = redis.call('HGETALL', KEYS[1])
begin_changes(KEYS[1], ARGV[1])
return taken
`;

/**
 * KEYS rank, entries, both next ones, tombstones, changes. ARGV channel, message, epoch. The next board takes what still waits, and
 * becomes the board. False if some of it was lost, or another is being built.
 */
const PROMOTE = `${HELD}${WRITE}
if epoch_of(KEYS[3], KEYS[4]) ~= ARGV[3] or redis.call('HGET', KEYS[6], '~epoch') ~= ARGV[3] then return false end
local changes = redis.call('HGETALL', KEYS[6])
for i = 1, #changes, 2 do
  local version, achieved, key = string.match(changes[i + 1], '^(%d+):(%d*):(.*)$')
  if version then set(KEYS[3], KEYS[4], KEYS[5], changes[i], key, achieved, version) end
end
-- RENAME over a key frees it at once, which takes a second for a million entries; UNLINK leaves that to another thread.
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[6])
for i = 1, 2 do
  redis.call('RENAME', KEYS[i + 2], KEYS[i])
  redis.call('PERSIST', KEYS[i])
end
changed(KEYS[2], ARGV[3], 1)
return 1
`;

/**
 * KEYS rank, entries, tombstones, changes. ARGV channel, message, then user, sort key, achieved and version of each row of
 * PostgreSQL. Sets right what differs, also for a board that is being built, unless the board knows something newer. How
 * many differed, how many have a score and stay off the board because they have left it, then user and entry in turn of what
 * is newer; false if neither board is there.
 */
const REPAIR = `${HELD}${WRITE}${KEEP}
local awaited = is_awaited(KEYS[4])
if awaited then
  for i = 3, #ARGV, 4 do keep(KEYS[4], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
end
local epoch = epoch_of(KEYS[1], KEYS[2])
if not epoch then return awaited and {0, 0} or false end
local users, members = {}, {}
for i = 3, #ARGV, 4 do
  users[#users + 1] = ARGV[i]
  members[#members + 1] = ARGV[i + 2] .. ARGV[i]
end
local known = redis.call('HMGET', KEYS[2], unpack(users))
local scores = redis.call('ZMSCORE', KEYS[1], unpack(members))
local answer = {0, 0}
for n = 1, #users do
  local i = 4 * n - 1
  local user, key, achieved, version = users[n], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if known[n] ~= achieved .. ':' .. version or not scores[n] or tonumber(scores[n]) ~= tonumber(key) then
    local member, newest, entry = member_of(KEYS[2], user)
    if newest and newest > tonumber(version) then
      answer[#answer + 1] = user
      answer[#answer + 1] = entry
    elseif key == '' then
      if member then answer[1] = answer[1] + 1 end
      remove(KEYS[1], KEYS[2], KEYS[3], member, user, version)
    elseif removed_until(KEYS[3], user) < tonumber(version) then
      answer[1] = answer[1] + 1
      put(KEYS[1], KEYS[2], member, user, key, achieved, version)
    else
      answer[2] = answer[2] + 1
    end
  end
end
if answer[1] > 0 then changed(KEYS[2], epoch, 1) end
return answer
`;

/**
 * KEYS rank, entries. ARGV channel, message, then user and entry in turn. Takes away entries that should not be there, if they
 * are still as they were seen. How many; false if the board is lost.
 */
const REMOVE = `${HELD}
local epoch = epoch_of(KEYS[1], KEYS[2])
if not epoch then return false end
local removed = 0
for i = 3, #ARGV, 2 do
  local member, _, entry = member_of(KEYS[2], ARGV[i])
  if entry == ARGV[i + 1] then
    redis.call('ZREM', KEYS[1], member)
    redis.call('HDEL', KEYS[2], ARGV[i])
    removed = removed + 1
  end
end
changed(KEYS[2], epoch, 1)
return removed
`;

/** KEYS rank, entries. How many entries the sorted set has, and how many the hash; false if the board is lost. */
const TOTALS = `${HELD}
return epoch_of(KEYS[1], KEYS[2]) and {redis.call('ZCARD', KEYS[1]) - 1, redis.call('HLEN', KEYS[2]) - 2}
`;

/** KEYS those of REPAIR, then the claim. 0 if another instance has confirmed the change; else as REPAIR. */
const CONFIRM = claimed(5, REPAIR);

/** All scripts, by the names of their commands. */
export const BOARD_SCRIPTS = {
  slice: { numberOfKeys: 2, lua: SLICE },
  near: { numberOfKeys: 2, lua: NEAR },
  countThrough: { numberOfKeys: 2, lua: COUNT_THROUGH },
  placement: { numberOfKeys: 2, lua: PLACEMENT },
  around: { numberOfKeys: 2, lua: AROUND },
  many: { numberOfKeys: 2, lua: MANY },
  apply: { numberOfKeys: 4, lua: APPLY },
  erase: { numberOfKeys: 5, lua: ERASE },
  rename: { numberOfKeys: 3, lua: RENAME },
  skipVersions: { numberOfKeys: 2, lua: SKIP_VERSIONS },
  beginBuild: { numberOfKeys: 6, lua: BEGIN },
  set: { numberOfKeys: 3, lua: SET },
  takeChanges: { numberOfKeys: 1, lua: TAKE },
  promote: { numberOfKeys: 6, lua: PROMOTE },
  repair: { numberOfKeys: 4, lua: REPAIR },
  remove: { numberOfKeys: 2, lua: REMOVE },
  totals: { numberOfKeys: 2, lua: TOTALS },
  confirm: { numberOfKeys: 5, lua: CONFIRM },
} as const;

export type BoardScript = keyof typeof BOARD_SCRIPTS;
