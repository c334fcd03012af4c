import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { boardKey } from '../../src/board-key.js';
import { now, setClock } from '../../src/clock.js';
import { BoardFrames, entryJson, RankFrames, retryFrame } from '../../src/live/frames.js';
import { character } from '../character.js';

const anyText = fc.oneof(
  fc.string({ unit: character }),
  fc.string({
    unit: fc.constantFrom('\n', '\r', '\u2028', '\u2029', '\u0085', '\0', ':', 'data', '\ud800', '"'),
  }),
);
const anyLineEnd = /\r\n|[\n\r\u2028\u2029\u0085\v\f]/;

const entry = fc.record(
  {
    rank: fc.nat(),
    sharedRank: fc.nat(),
    userId: anyText,
    displayName: anyText,
    score: fc.maxSafeInteger(),
    achievedAt: fc.constant('2026-06-11T19:00:00.000Z'),
  },
  { noNullPrototype: true },
);

t.test('whatever a name contains, a frame is one event whose one line of data says the same', async () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), (items) => {
      const state = { version: 7, total: 9, items };
      const frames = new BoardFrames(
        { epoch: 'e1', board: boardKey('global', 2), ...state },
        { endsAt: null, unit: null },
        items.map(entryJson).join(','),
      );
      const expected = { snapshot: frames.first, leaderboard: frames.next };
      for (const [event, frame] of Object.entries(expected)) {
        const [id, name, data, ...rest] = frame.event.toString().split(anyLineEnd);
        assert.deepEqual([id, name, ...rest], ['id: e1-7', `event: ${event}`, '', '']);
        const { now, ...told } = JSON.parse(data?.replace(/^data: /, '') ?? '');
        assert.match(now, /^\d{4}-.*\.\d{3}Z$/);
        assert.deepEqual(told, {
          leaderboard: 'global',
          season: 2,
          seasonEndsAt: null,
          ...state,
        });
      }
    }),
    { numRuns: 200 },
  );
});

t.test('the same holds for a rank', async () => {
  fc.assert(
    fc.property(anyText, fc.option(fc.nat()), (userId, rank) => {
      const frame = new RankFrames('global', userId, { rank, sharedRank: rank, score: rank, total: 3 }).first;
      const [name, data, ...rest] = frame.event.toString().split(anyLineEnd);
      assert.deepEqual([name, ...rest], ['event: rank', '', '']);
      assert.deepEqual(JSON.parse(data?.replace(/^data: /, '') ?? ''), {
        userId,
        rank,
        sharedRank: rank,
        score: rank,
        total: 3,
      });
    }),
    { numRuns: 200 },
  );
});

t.test('a frame is also one chunk of HTTP, around the same memory', async () => {
  fc.assert(
    fc.property(anyText, (userId) => {
      const rank = { rank: 1, sharedRank: 1, score: 1, total: 3 };
      const { event, chunk } = new RankFrames('global', userId, rank).first;
      assert.equal(chunk.toString(), `${event.length.toString(16)}\r\n${event}\r\n`);
      assert.equal(event.buffer, chunk.buffer);
    }),
  );
});

t.test('frames are built once, whoever asks, unless the time that they tell is over', async (t) => {
  const state = { epoch: 'e1', board: boardKey('global', 1), version: 1, total: 0, items: [] };
  const endsAt = '2026-06-13T00:00:00.000Z';
  const frames = new BoardFrames(state, { endsAt, unit: null }, '');
  const { first } = frames;
  t.equal(frames.first, first);
  t.equal(frames.next, frames.next);
  const later = now() + 2_000;
  setClock(later);
  t.teardown(() => setClock(Date.now()));
  const data = JSON.parse(/^data: (.*)$/m.exec(frames.first.event.toString())?.[1] ?? '');
  t.match(data, { seasonEndsAt: endsAt, now: new RegExp(`^${new Date(later).toISOString().slice(0, 19)}`) });
});

t.test('the delay before a reconnect is spread over one to four seconds', async (t) => {
  const delays = Array.from({ length: 500 }, () =>
    Number(/^retry: (\d+)\n\n$/.exec(`${retryFrame().event}`)?.[1]),
  );
  t.ok(delays.every((ms) => ms >= 1000 && ms <= 4000));
  t.ok(Math.max(...delays) - Math.min(...delays) > 2000);
});
