import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { boardKey } from '../../src/board-key.js';
import type { BoardSource } from '../../src/live/board-source.js';
import {
  databaseAway,
  eventually,
  GLOBAL,
  openRaw,
  ScriptedSource,
  startLiveServer,
  Watcher,
} from './live-server.js';

function sourceWith(players: number): ScriptedSource {
  const source = new ScriptedSource();
  for (let n = 1; n <= players; n++) source.score(`usr_${n}`, 1000 - n);
  return source;
}

const lastScore = (source: ScriptedSource, score: number) => {
  source.score('usr_1', score);
  return (event: { data: { items: readonly { score: number }[] } }) => event.data.items[0]?.score === score;
};

t.test('a stream begins with a retry of its own and a snapshot of what was asked for', async (t) => {
  const { url } = await startLiveServer(t, { source: sourceWith(5) });
  const raw = await openRaw(t, `${url}/global?limit=2`);
  const text = await raw.until(/"items":.*\n\n/);
  t.match(text, /^retry: \d+\n\nid: e1-5\nevent: snapshot\ndata: \{.*\}\n\n$/);

  const data = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? '');
  t.same(Object.keys(data), ['leaderboard', 'season', 'seasonEndsAt', 'version', 'total', 'now', 'items']);
  t.match(data, { leaderboard: 'global', season: 1, version: 5, total: 5 });
  t.same(Object.keys(data.items[0]), ['rank', 'sharedRank', 'userId', 'score', 'displayName', 'achievedAt']);
  t.equal(data.items.length, 2);
  const retryMs = Number(/^retry: (\d+)/.exec(text)?.[1]);
  t.ok(retryMs >= 1000 && retryMs <= 4000);
});

t.test('a change reaches a quiet stream', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 20 });
  const watcher = new Watcher(t, `${url}/global`);
  t.equal((await watcher.next()).type, 'snapshot');

  source.score('usr_3', 5000);
  hub.boardChanged(GLOBAL);
  const event = await watcher.next();
  t.equal(event.type, 'leaderboard');
  t.equal(event.id, 'e1-4');
  t.equal(event.data.items[0]?.userId, 'usr_3');
});

t.test('the first change goes at once: a snapshot, and news that are none, need no rest', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 600_000 });
  const watcher = new Watcher(t, `${url}/global?limit=1`);
  await watcher.next();
  hub.boardChanged(GLOBAL);
  await eventually(() => source.limitsAsked.length === 2);
  await new Watcher(t, `${url}/global?limit=3`).next();
  const isLast = lastScore(source, 2000);
  hub.boardChanged(GLOBAL);
  t.ok(isLast(await watcher.next()));
});

t.test('many changes become at most one event an interval, and the last state arrives', async (t) => {
  const source = sourceWith(3);
  const flushIntervalMs = 50;
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs });
  const watcher = new Watcher(t, `${url}/global`);
  await watcher.next();

  const startedAt = performance.now();
  for (let n = 1; n <= 200; n++) {
    source.score('usr_1', 10_000 + n);
    hub.boardChanged(GLOBAL);
    await sleep(1);
  }
  await watcher.until((event) => event.data.items[0]?.score === 10_200);
  const elapsedMs = performance.now() - startedAt;
  const events = watcher.received.length - 1;
  // A Node timer may fire a millisecond early.
  t.ok(events <= 1 + elapsedMs / (flushIntervalMs - 1), `${events} events in ${elapsedMs} ms`);
  t.ok(events > 1);
  t.equal(source.version, watcher.received.at(-1)?.data.version);
});

t.test('a change below what a client asked for is not sent to it, a change of total is', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const top1 = new Watcher(t, `${url}/global?limit=1`);
  const top3 = new Watcher(t, `${url}/global?limit=3`);
  await Promise.all([top1.next(), top3.next()]);

  const changeAndSeeTop3 = async (change: () => void) => {
    change();
    hub.boardChanged(GLOBAL);
    await top3.next();
  };
  await changeAndSeeTop3(() => source.score('usr_3', 1));
  await changeAndSeeTop3(() => source.score('usr_3', 2));
  await changeAndSeeTop3(() => source.score('usr_4', 0));
  t.equal((await top1.next()).data.total, 4, 'the first event after the snapshot is that of the new total');
});

t.test('a new version alone is not sent, and a later snapshot tells it', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const watcher = new Watcher(t, `${url}/global`);
  await watcher.next();
  for (let n = 1; n <= 3; n++) {
    source.version++;
    hub.boardChanged(GLOBAL);
    await eventually(() => source.limitsAsked.length === n + 1);
  }
  const late = new Watcher(t, `${url}/global`);
  t.equal((await late.next()).data.version, 6);
  const isLast = lastScore(source, 2000);
  hub.boardChanged(GLOBAL);
  t.ok(isLast(await watcher.next()), 'the next event is the real change');
});

t.test('all limits of a board share one call of the source, at the largest limit', async (t) => {
  const source = sourceWith(30);
  const { hub, url } = await startLiveServer(t, { source });
  const limits = [20, 1, 5, 20, 10, 5];
  const watchers: Watcher[] = [];
  for (const limit of limits) {
    const watcher = new Watcher(t, `${url}/global?limit=${limit}`);
    t.equal((await watcher.next()).data.items.length, limit);
    watchers.push(watcher);
  }
  t.same(source.limitsAsked, [20], 'who joins a board that is watched costs no call');

  source.score('usr_1', 5000);
  hub.boardChanged(GLOBAL);
  const events = await Promise.all(watchers.map((watcher) => watcher.next()));
  t.same(
    events.map((event) => event.data.items.length),
    limits,
  );
  t.same(source.limitsAsked, [20, 20]);

  const larger = new Watcher(t, `${url}/global?limit=25`);
  t.equal((await larger.next()).data.items.length, 25, 'a larger limit is asked for');
  t.same(source.limitsAsked, [20, 20, 25]);
});

t.test('a board shorter than the limits in use serves a larger limit without a call', async (t) => {
  const source = sourceWith(2);
  const { url } = await startLiveServer(t, { source });
  await new Watcher(t, `${url}/global?limit=5`).next();
  t.equal((await new Watcher(t, `${url}/global?limit=100`).next()).data.items.length, 2);
  t.same(source.limitsAsked, [5]);
});

t.test('500 clients that join at once make one call of the source', async (t) => {
  const source = sourceWith(10);
  source.latency = () => sleep(20);
  const { hub, url } = await startLiveServer(t, { source });
  await Promise.all(
    Array.from({ length: 500 }, async () =>
      (await openRaw(t, `${url}/global`)).until(/event: snapshot\n.*\n\n/),
    ),
  );
  t.equal(hub.active, 500);
  t.equal(source.limitsAsked.length, 1);
});

t.test('boards and their seasons are separate, and one that nobody watches is not read', async (t) => {
  const source = sourceWith(3);
  const { hub, url, ended } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const first = new Watcher(t, `${url}/first`);
  const second = new Watcher(t, `${url}/second`);
  await Promise.all([first.next(), second.next()]);
  first.close();
  await ended(1);
  source.score('usr_1', 2000);
  hub.boardChanged(boardKey('first', 1));
  hub.boardChanged(boardKey('never-watched', 1));
  hub.boardChanged(boardKey('second', 2));
  hub.boardChanged(boardKey('second', 1));
  await second.next();
  t.equal(source.limitsAsked.length, 3);
  t.equal(first.received.length, 1);
});

t.test(
  'the version on a stream never goes back, however late and out of order the source answers',
  async (t) => {
    const reality = sourceWith(3);
    const late: (() => void)[] = [];
    // Every other answer is read now and given only after a later one could have overtaken it; every third is a
    // replica's, some versions behind.
    let calls = 0;
    const past = [await reality.page(GLOBAL, 10)];
    const source: BoardSource = {
      season: () => reality.season(),
      final: () => reality.final(),
      userRank: (board, userId) => reality.userRank(board, userId),
      async page(board, limit) {
        calls++;
        const now = await reality.page(board, limit);
        past.push(now);
        if (calls % 2 === 0) {
          await new Promise<void>((resolve) => {
            late.push(resolve);
            setTimeout(resolve, 10);
          });
        }
        return (calls % 3 === 0 ? past.at(-3) : undefined) ?? now;
      },
    };
    const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
    const watchers = [1, 2, 3].map((limit) => new Watcher(t, `${url}/global?limit=${limit}`));
    const seen = Promise.all(
      watchers.map((watcher) => watcher.until((event) => event.data.items[0]?.score === 20_000)),
    );
    for (let n = 1; n <= 100; n++) {
      reality.score('usr_1', 10_000 + n * 100);
      hub.boardChanged(GLOBAL);
      if (n % 7 === 0) late.pop()?.();
      await sleep(1);
    }
    await seen;
    for (const { received } of watchers) {
      const versions = received.map((event) => event.data.version);
      t.same(
        versions,
        [...versions].sort((a, b) => a - b),
      );
      t.ok(versions.length > 2);
    }
  },
);

t.test('while changes may not be heard the boards are read once a second, few at a time', async (t) => {
  const source = sourceWith(3);
  let reading = 0;
  let most = 0;
  source.latency = async () => {
    most = Math.max(most, ++reading);
    await sleep(5);
    reading--;
  };
  const feed = { isCurrent: true };
  const { url } = await startLiveServer(t, { source, feed });
  const watchers = Array.from({ length: 8 }, (_, n) => new Watcher(t, `${url}/board-${n}`));
  for (const watcher of watchers) await watcher.next();
  source.score('usr_1', 2000);
  most = 0;
  feed.isCurrent = false;
  for (const watcher of watchers) t.equal((await watcher.next()).data.items[0]?.score, 2000);
  t.ok(most <= 2, `${most} at a time`);
  feed.isCurrent = true;
  source.score('usr_1', 3000);
  const { length } = source.limitsAsked;
  await sleep(1_500);
  t.ok(source.limitsAsked.length - length <= 8, 'at most the round that had begun');
});

t.test('a new epoch may count its versions from the start', async (t) => {
  const reality = sourceWith(3);
  let epoch = 'e1';
  const source: BoardSource = {
    season: () => reality.season(),
    final: () => reality.final(),
    userRank: (board, userId) => reality.userRank(board, userId),
    page: async (board, limit) => ({ ...(await reality.page(board, limit)), epoch }),
  };
  const { hub, url } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global`);
  t.equal((await watcher.next()).id, 'e1-3');
  reality.score('usr_1', 2000);
  reality.version = 1;
  epoch = 'e2';
  hub.boardChanged(GLOBAL);
  t.equal((await watcher.next()).id, 'e2-1');
});

t.test('with a user, its rank follows the snapshot and every change of its rank or score', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const watcher = new Watcher(t, `${url}/global?limit=1&user=usr_3`);
  t.equal((await watcher.next()).type, 'snapshot');
  const first = await watcher.next();
  t.equal(first.type, 'rank');
  t.same(first.data, { userId: 'usr_3', rank: 3, sharedRank: 3, score: 997, total: 3 });

  source.score('usr_2', 1);
  hub.boardChanged(GLOBAL);
  t.same(
    (await watcher.next()).data,
    { userId: 'usr_3', rank: 2, sharedRank: 2, score: 997, total: 3 },
    'its rank, by others',
  );

  source.score('usr_3', 998);
  hub.boardChanged(GLOBAL);
  t.same(
    (await watcher.next()).data,
    { userId: 'usr_3', rank: 2, sharedRank: 2, score: 998, total: 3 },
    'its score',
  );

  source.score('usr_4', 0);
  hub.boardChanged(GLOBAL);
  t.equal((await watcher.next()).type, 'leaderboard', 'a new total is told by the board alone');
  await eventually(() => source.ranksAsked === 4);
  source.score('usr_1', 998);
  hub.boardChanged(GLOBAL);
  const shared = await watcher.until((event) => event.type === 'rank');
  t.same(
    shared.data,
    { userId: 'usr_3', rank: 2, sharedRank: 1, score: 998, total: 4 },
    'a tie with the one above',
  );
  source.score('usr_3', 5000);
  hub.boardChanged(GLOBAL);
  const both = await watcher.until((event) => event.type === 'rank');
  t.same(both.data, { userId: 'usr_3', rank: 1, sharedRank: 1, score: 5000, total: 4 }, 'both');
});

t.test('no rank goes out before the snapshot, even if the board answers last', async (t) => {
  const source = sourceWith(1);
  let answerTop = () => {};
  source.latency = async (call) => {
    if (call === 'top') await new Promise<void>((resolve) => (answerTop = resolve));
  };
  const { url } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global?user=usr_1`);
  await eventually(() => source.ranksAsked === 1);
  await sleep(10);
  answerTop();
  t.equal((await watcher.next()).type, 'snapshot');
  t.equal((await watcher.next()).type, 'rank');
});

t.test('a lookup of a rank that failed is repeated', async (t) => {
  const source = sourceWith(1);
  let failures = 2;
  source.latency = async (call) => {
    if (call === 'userRank' && failures-- > 0) await databaseAway();
  };
  const { url, errors } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global?user=usr_1`);
  t.match(await watcher.until((event) => event.type === 'rank'), { data: { rank: 1, score: 999 } });
  t.equal(errors.length, 2);
});

t.test('streams that follow a banned user end, and no others', async (t) => {
  const { hub, url, ends, ended, responses } = await startLiveServer(t, { source: sourceWith(2) });
  const followers = ['global?user=usr_1', 'laps,global?user=usr_1'].map(
    (path) => new Watcher(t, `${url}/${path}`),
  );
  const others = ['global?user=usr_2', 'global?limit=5'].map((path) => new Watcher(t, `${url}/${path}`));
  await Promise.all([...followers, ...others].map((watcher) => watcher.next()));
  hub.userBanned('usr_1');
  await ended(2);
  t.same(ends, ['banned', 'banned']);
  t.equal(hub.active, 2);
  t.equal(responses.filter(({ writableEnded }) => writableEnded).length, 2);
});

t.test('a user without an entry has no rank, until it has', async (t) => {
  const source = sourceWith(1);
  const { hub, url } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global?user=usr_9`);
  await watcher.next();
  t.same((await watcher.next()).data, {
    userId: 'usr_9',
    rank: null,
    sharedRank: null,
    score: null,
    total: 1,
  });
  source.score('usr_9', 1);
  hub.boardChanged(GLOBAL);
  t.match(await watcher.until((event) => event.type === 'rank'), { data: { rank: 2, score: 1, total: 2 } });
});

t.test('streams of one user share its lookups, and a later one is told the newest total', async (t) => {
  const source = sourceWith(2);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const early = new Watcher(t, `${url}/global?user=usr_1`);
  await early.until((event) => event.type === 'rank');
  source.score('usr_3', 1);
  hub.boardChanged(GLOBAL);
  await early.next();
  await eventually(() => source.ranksAsked === 2);
  const late = new Watcher(t, `${url}/global?user=usr_1`);
  t.equal((await late.until((event) => event.type === 'rank')).data.total, 3);
  t.equal(source.ranksAsked, 2);
});

t.test('300 users followed at once all get their rank', async (t) => {
  const source = sourceWith(300);
  const { hub, url } = await startLiveServer(t, { source });
  const raws = await Promise.all(
    Array.from({ length: 300 }, (_, n) => openRaw(t, `${url}/global?limit=1&user=usr_${n + 1}`)),
  );
  await Promise.all(
    raws.map((raw, n) => raw.until(new RegExp(`"rank":${n + 1},"sharedRank":${n + 1},"score":${999 - n},`))),
  );
  // The last becomes the first: every rank changes.
  source.score('usr_300', 5000);
  hub.boardChanged(GLOBAL);
  await Promise.all(
    raws.map((raw, n) => raw.until(new RegExp(`"rank":${n === 299 ? 1 : n + 2},"sharedRank"`))),
  );
});

t.test('a ping goes to every stream, also before its snapshot', async (t) => {
  const source = sourceWith(1);
  const { url } = await startLiveServer(t, { source, pingIntervalMs: 10 });
  const open = await openRaw(t, `${url}/global`);
  t.match(await open.until(/(: ping\n\n){3}/), /event: snapshot/);
  source.latency = databaseAway;
  const silent = await openRaw(t, `${url}/other`);
  t.match(await silent.until(/(: ping\n\n){3}/), /^retry: \d+\n\n(: ping\n\n)+$/);
});

t.test('while the source fails streams stay open, and what changed meanwhile arrives', async (t) => {
  const source = sourceWith(2);
  const { hub, url, errors, ends } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const watcher = new Watcher(t, `${url}/global?user=usr_1`);
  await watcher.until((event) => event.type === 'rank');

  source.latency = databaseAway;
  source.score('usr_1', 2000);
  hub.boardChanged(GLOBAL);
  const newcomer = new Watcher(t, `${url}/other?user=usr_2`);
  await eventually(() => errors.length >= 4);
  t.equal(newcomer.received.length, 0);

  source.latency = async () => {};
  t.equal((await watcher.next()).data.items[0]?.score, 2000);
  t.equal((await watcher.until((event) => event.type === 'rank')).data.score, 2000);
  t.equal((await newcomer.next()).type, 'snapshot');
  t.equal((await newcomer.next()).type, 'rank');
  t.same(ends, []);
  t.match(errors[0], { message: 'the database is away' });
});

t.test('a source that fails is left alone when nobody watches any more', async (t) => {
  const source = sourceWith(1);
  source.latency = databaseAway;
  const { url, errors, ended } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global?user=usr_1`);
  await eventually(() => errors.length >= 2);
  watcher.close();
  await ended(1);
  const calls = () => source.limitsAsked.length + source.ranksAsked;
  const before = calls();
  await sleep(400);
  t.equal(calls(), before);
});

t.test('a display name cannot inject a field or an event', async (t) => {
  const source = new ScriptedSource();
  const nasty = 'x\n\nevent: leaderboard\rdata: {}\r\nretry: 1\u2028id: 0\u2029\u0085: y\0"\\';
  source.score('usr_1', 1, nasty);
  const { url } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global`);
  t.equal((await watcher.next()).data.items[0]?.displayName, nasty);
  const text = await (await openRaw(t, `${url}/global`)).until(/"items":.*\n\n/);
  t.match(
    text.split(/[\n\r\u2028\u2029\u0085]/).map((line) => line.split(':')[0]),
    ['retry', '', 'id', 'event', 'data', '', ''],
  );
});

t.test('200 streams of one topic all show the same last state', async (t) => {
  const source = sourceWith(5);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 5 });
  const raws = await Promise.all(Array.from({ length: 200 }, () => openRaw(t, `${url}/global`)));
  const mark = randomUUID();
  for (let n = 0; n < 20; n++) {
    source.score('usr_1', 2000 + n);
    hub.boardChanged(GLOBAL);
    await sleep(1);
  }
  source.score('usr_1', 3000, mark);
  hub.boardChanged(GLOBAL);
  await Promise.all(raws.map((raw) => raw.until(new RegExp(mark))));
  t.pass();
});

t.test('what a board shows now is shown when a frame of it has been written, not sooner', async (t) => {
  const source = sourceWith(3);
  const { hub, url, errors } = await startLiveServer(t, { source });
  await hub.shown([GLOBAL]);
  const watcher = new Watcher(t, `${url}/global`);
  await watcher.next();
  let answer = () => {};
  const gate = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let failures = 2;
  source.latency = async () => {
    if (failures-- > 0) throw new Error('The source is away');
    await gate;
  };
  source.score('usr_3', 5000);
  let isShown = false;
  const shown = hub.shown([GLOBAL, boardKey('nobody-watches', 1)]).then(() => {
    isShown = true;
  });
  await eventually(() => failures < 0);
  t.equal(errors.length, 2);
  t.notOk(isShown, 'not while the source has not answered');
  answer();
  await shown;
  t.equal((await watcher.next()).data.items[0]?.userId, 'usr_3');
});

t.test('nobody waits for a frame after the last stream has left', async (t) => {
  const source = sourceWith(3);
  const { hub, url, ended } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global`);
  await watcher.next();
  source.latency = () => new Promise(() => {});
  const shown = hub.shown([GLOBAL]);
  watcher.close();
  await ended(1);
  await shown;
  t.equal(hub.active, 0);
});

t.test('only so many wait for a frame', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source });
  const watcher = new Watcher(t, `${url}/global`);
  await watcher.next();
  source.latency = () => new Promise(() => {});
  const outcomes = Array.from({ length: 10_000 }, () =>
    hub.shown([GLOBAL]).then(
      () => 'shown',
      () => 'refused',
    ),
  );
  hub.close();
  const refused = (await Promise.all(outcomes)).filter((outcome) => outcome === 'refused').length;
  t.equal(refused, 10_000 - 8_192);
});

t.test(
  'at a boundary each stream is told of the season, then of its empty board and of no rank',
  async (t) => {
    const source = sourceWith(3);
    const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
    const watchers = [`${url}/global?limit=2`, `${url}/global?user=usr_2`].map((url) => new Watcher(t, url));
    for (const watcher of watchers)
      t.match(await watcher.next(), { type: 'snapshot', data: { seasonEndsAt: null } });
    t.match(await watchers[1]?.next(), { type: 'rank', data: { rank: 2 } });
    source.turn();
    hub.leaderboardChanged('global');
    for (const watcher of watchers) {
      const { season: _, unit: __, ...told } = source.current;
      const { type, data } = await watcher.next();
      t.equal(type, 'season');
      t.same(data, { leaderboard: 'global', season: 2, previous: 1, ...told, now: data.now });
      t.match(await watcher.next(), {
        type: 'leaderboard',
        data: { season: 2, seasonEndsAt: told.endsAt, total: 0, items: [] },
      });
    }
    t.match(await watchers[1]?.next(), { type: 'rank', data: { rank: null, score: null } });

    const late = new Watcher(t, `${url}/global`);
    t.match(await late.next(), { type: 'snapshot', data: { season: 2 } });
    source.score('usr_9', 5);
    hub.boardChanged(GLOBAL);
    hub.boardChanged(boardKey('global', 2));
    t.match(
      await late.next(),
      { type: 'leaderboard', data: { total: 1 } },
      'who comes later is told nothing of it',
    );
    source.standings = { digest: 'abc', items: [] };
    hub.seasonFinal('global', 1);
    for (const watcher of [...watchers, late])
      t.same((await watcher.until(({ type }) => type === 'final')).data, {
        leaderboard: 'global',
        season: 1,
        digest: 'abc',
        items: [],
      });
  },
);

t.test('a season may be final before another has begun, and each that is empty is told', async (t) => {
  const source = sourceWith(0);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const watcher = new Watcher(t, `${url}/global`);
  await watcher.next();
  source.standings = { digest: 'abc', items: [] };
  hub.seasonFinal('global', 1);
  t.match(await watcher.next(), { type: 'final', data: { season: 1 } });
  hub.seasonFinal('global', 2);
  t.match(await watcher.next(), { type: 'final', data: { season: 2 } });
});

t.test('another end of the season is told', async (t) => {
  const source = sourceWith(1);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const watcher = new Watcher(t, `${url}/global`);
  await watcher.next();
  const endsAt = '2026-06-13T00:00:00.000Z';
  source.current = { ...source.current, endsAt };
  hub.leaderboardChanged('global');
  t.match(await watcher.next(), { type: 'leaderboard', data: { season: 1, seasonEndsAt: endsAt } });
});

t.test('a rank that was read before a boundary is not shown after it', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const watcher = new Watcher(t, `${url}/global?user=usr_2`);
  await watcher.until(({ type }) => type === 'rank');
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const read = source.userRank.bind(source);
  source.userRank = async (board, userId) => {
    const rank = await read(board, userId);
    if (board.season === 1) await held;
    return rank;
  };
  source.score('usr_2', 5_000);
  hub.boardChanged(GLOBAL);
  await eventually(() => source.ranksAsked === 2);
  source.turn();
  hub.leaderboardChanged('global');
  await watcher.until(({ type }) => type === 'season');
  release();
  const ranks = await watcher.until(({ type }) => type === 'rank');
  t.equal(ranks.data.rank, null);
});

t.test('one stream shows several boards, each from its snapshot on', async (t) => {
  const source = sourceWith(3);
  const { hub, url } = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const watcher = new Watcher(t, `${url}/global,cup?user=usr_1`);
  const seen = new Map<string, string[]>();
  for (let n = 0; n < 4; n++) {
    const { type, data } = await watcher.next();
    seen.set(data.leaderboard, [...(seen.get(data.leaderboard) ?? []), type]);
  }
  t.same(Object.fromEntries(seen), { global: ['snapshot', 'rank'], cup: ['snapshot', 'rank'] });
  t.equal(hub.active, 1);
  source.score('usr_3', 5_000);
  hub.boardChanged(boardKey('cup', 1));
  t.match(await watcher.next(), { type: 'leaderboard', data: { leaderboard: 'cup' } });
  hub.leaderboardRemoved('cup');
  await eventually(() => hub.active === 0);
});
