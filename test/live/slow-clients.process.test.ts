import t from 'tap';
import {
  collectGarbage,
  eventually,
  GLOBAL,
  HIGH_WATER,
  HugeBoard,
  openStalled,
  startLiveServer,
  Watcher,
} from './live-server.js';

t.test('a client that does not read costs 64 KiB and a frame at most, and delays nobody', async (t) => {
  const source = new HugeBoard();
  const live = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const { response } = await openStalled(t, source, live);

  const reader = new Watcher(t, `${live.url}/global`);
  await reader.next();
  const changeAndRead = async () => {
    source.change();
    const { version } = source;
    live.hub.boardChanged(GLOBAL);
    const startedAt = performance.now();
    await reader.until((event) => event.data.version === version);
    // What it has read is the test's own memory.
    reader.forget();
    return performance.now() - startedAt;
  };
  await changeAndRead();
  collectGarbage();
  const before = process.memoryUsage();
  let slowest = 0;
  let fullest = 0;
  for (let n = 0; n < 100; n++) {
    slowest = Math.max(slowest, await changeAndRead());
    fullest = Math.max(fullest, response.writableLength);
  }
  collectGarbage();
  const after = process.memoryUsage();

  t.ok(
    fullest > HIGH_WATER && fullest < HIGH_WATER + HugeBoard.FRAME + 1024,
    `${fullest} bytes were waiting`,
  );
  t.comment(`the slowest event took ${slowest.toFixed()} ms`);
  // Whoever waited for the other would wait for the minute after which that is cut off.
  t.ok(slowest < 20_000);
  const grown = after.heapUsed + after.external - before.heapUsed - before.external;
  t.ok(grown < 40 * HugeBoard.FRAME, `${grown} bytes more after 100 frames of ${HugeBoard.FRAME}`);
  t.same(live.ends, []);
});

t.test('a client that reads again gets the newest state and rank, and none of those between', async (t) => {
  const source = new HugeBoard();
  const live = await startLiveServer(t, { source, flushIntervalMs: 1 });
  const { raw } = await openStalled(t, source, live, '?user=usr_1');
  const reader = new Watcher(t, `${live.url}/global?user=usr_1`);
  for (let n = 0; n < 20; n++) {
    source.change();
    const { version } = source;
    live.hub.boardChanged(GLOBAL);
    await reader.until((event) => event.data.version === version);
  }
  await eventually(() => reader.received.some((event) => event.data.score === source.version));

  const text = await raw.until(new RegExp(`event: rank\ndata: .*"score":${source.version},.*\n\n`));
  const versions = [...text.matchAll(/^id: e1-(\d+)$/gm)].map((match) => Number(match[1]));
  t.equal(versions.at(-1), source.version);
  t.ok(versions.length <= source.version - 19, 'of the 20 states of its stall it got the last');
  t.same(live.ends, []);

  source.change();
  live.hub.boardChanged(GLOBAL);
  await raw.until(new RegExp(`^id: e1-${source.version}$`, 'm'));
  t.pass('and the stream goes on');
});

t.test('a client that does not drain in time is cut off, and its slot is free', async (t) => {
  const source = new HugeBoard();
  const live = await startLiveServer(t, { source, flushIntervalMs: 1, stallTimeoutMs: 100 });
  const { response } = await openStalled(t, source, live);
  const reader = new Watcher(t, `${live.url}/global`);
  await reader.next();
  t.equal(live.hub.active, 2);
  source.change();
  live.hub.boardChanged(GLOBAL);
  await live.ended(1);
  t.same(live.ends, ['stalled']);
  t.ok(response.destroyed);
  t.equal(live.hub.active, 1);
});

t.test('a ping finds the stall as well, on a board that does not change any more', async (t) => {
  const source = new HugeBoard();
  const live = await startLiveServer(t, {
    source,
    flushIntervalMs: 1,
    stallTimeoutMs: 50,
    pingIntervalMs: 25,
  });
  await openStalled(t, source, live);
  await live.ended(1);
  t.same(live.ends, ['stalled']);
});

t.test('a client that drains in time is not cut off later', async (t) => {
  const source = new HugeBoard();
  const stallTimeoutMs = 1500;
  const live = await startLiveServer(t, { source, flushIntervalMs: 1, stallTimeoutMs, pingIntervalMs: 10 });
  const { raw, response } = await openStalled(t, source, live);
  await raw.until(new RegExp(`^id: e1-${source.version}$`, 'm'));
  await eventually(() => response.writableLength === 0);
  const drainedAt = performance.now();
  while (performance.now() - drainedAt < stallTimeoutMs + 100) {
    raw.text = '';
    await raw.until(/: ping\n\n$/);
  }
  t.same(live.ends, []);
});
