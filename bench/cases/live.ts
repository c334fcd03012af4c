import pg from 'pg';
import type { Case } from '../case.js';
import { pairs } from '../pairs.js';
import { frameDelays, raiseLeader } from '../probe.js';
import { streamRequest } from '../streams.js';
import type { Server } from '../testbed.js';

const ENTRIES = 1_000;
const REQUEST = streamRequest(10);
const FANOUT_STREAMS = 5_000;
const FANOUT_SECONDS = 2;
const UPDATES_PER_SECOND = 10;

export const fanout: Case = async (testbed) => {
  const open = ({ port }: Server, request: string) =>
    testbed.streams({ kind: 'open', port, count: FANOUT_STREAMS, request });
  let frameBytes = 0;
  /** Processor time per frame of a server that is already sending, in microseconds. */
  const cost = async ({ port, used }: Server): Promise<number> => {
    await testbed.streams({ kind: 'count', port, seconds: 0.5 }); // Until its rate is steady.
    const before = await used('cpu');
    const { frames, bytes } = await testbed.streams({ kind: 'count', port, seconds: FANOUT_SECONDS });
    const after = await used('cpu');
    if (frames < FANOUT_STREAMS * FANOUT_SECONDS) throw new Error(`Only ${frames} frames came`);
    frameBytes = Math.round(bytes / frames);
    return ((after - before) * 1e6) / frames;
  };
  const service = await testbed.server('service', await testbed.database('fanout', ENTRIES, ENTRIES), {
    REDIS_MODE: 'off',
    SSE_PING_INTERVAL: '3600000', // No pings, because they would be counted.
  });
  await open(service, REQUEST);
  const ours = async (): Promise<number> => {
    const end = new AbortController();
    const raised = raiseLeader(service, UPDATES_PER_SECOND, end.signal);
    try {
      return await cost(service);
    } finally {
      end.abort();
      await raised;
    }
  };
  await ours();
  const bare = await testbed.sharedBuffer(frameBytes, UPDATES_PER_SECOND);
  await open(bare.server, '');
  const shared = async (): Promise<number> => {
    await bare.toggle();
    try {
      return await cost(bare.server);
    } finally {
      await bare.toggle();
    }
  };
  return [
    {
      what: `fanout: microseconds of the server for a frame, ${FANOUT_STREAMS} streams, ${UPDATES_PER_SECOND} updates a second`,
      against: 'socket.write of one shared Buffer of the same size to as many sockets',
      figure: await pairs(ours, shared),
      target: { atMost: 1.3 },
    },
    { what: 'fanout: bytes of a frame with ten entries', against: '', figure: frameBytes },
  ];
};

const MEMORY_STREAMS = 10_000;
const WARM_UP_STREAMS = 100;

export const streams: Case = async (testbed) => {
  const server = await testbed.server('service', await testbed.database('streams', ENTRIES, ENTRIES));
  const open = (count: number) =>
    testbed.streams({ kind: 'open', port: server.port, count, request: REQUEST });
  await open(WARM_UP_STREAMS);
  const before = await server.used('memory');
  await open(MEMORY_STREAMS);
  const after = await server.used('memory');
  return [
    {
      what: `streams: kilobytes of memory for one of ${MEMORY_STREAMS}`,
      against: '',
      figure: (after - before) / MEMORY_STREAMS / 1024,
      target: { atMost: 20 },
    },
  ];
};

const BOUNDARIES = 3;
/** How far ahead a season ends: instances look every two seconds for what will be due. */
const AHEAD_MS = 4_000;
const END = `
UPDATE leaderboards
SET season_ends_at = clock_timestamp() + $1::int * interval '1 ms', next_starts_at = clock_timestamp() + $1::int * interval '1 ms',
    next_ends_at = 'infinity'
WHERE id = 'global' RETURNING extract(epoch FROM season_ends_at)::float8 * 1000 AS "endsAt"`;

export const season: Case = async (testbed) => {
  const database = await testbed.database('season', ENTRIES, ENTRIES);
  const { port } = await testbed.server('service', database, {
    REDIS_MODE: 'off',
    SSE_PING_INTERVAL: '3600000', // No pings, because they would be counted.
  });
  await testbed.streams({ kind: 'open', port, count: FANOUT_STREAMS, request: REQUEST });
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  const delays: number[] = [];
  try {
    for (let n = 0; n < BOUNDARIES; n++) {
      // Each stream gets two frames at the boundary, and one when the season is closed.
      const { rows } = await client.query<{ endsAt: number }>(END, [AHEAD_MS]);
      const { at } = await testbed.streams({ kind: 'receive', port, frames: 2 * FANOUT_STREAMS });
      delays.push(at - (rows[0]?.endsAt ?? Number.NaN));
      await testbed.streams({ kind: 'count', port, seconds: 10 });
    }
  } finally {
    await client.end();
  }
  return [
    {
      what: `season: milliseconds from the end of a season to the empty board of the next on the last of ${FANOUT_STREAMS} streams, the slowest of ${BOUNDARIES}`,
      against: '',
      figure: Math.max(...delays),
      target: { atMost: 1_000 },
    },
  ];
};

const USERS = 20_000;
const LATENCY_SECONDS = 10;

export const latency: Case = async (testbed) => {
  const server = await testbed.server('service', await testbed.database('latency', USERS, 1));
  const load = { kind: 'scores', port: server.port, connections: 64, users: USERS } as const;
  await testbed.load({ ...load, seconds: 2 });
  const highest = await testbed.load({ ...load, seconds: 3 });
  const rate = Math.round(highest.right / highest.seconds / 2);
  const [{ latencies }, toFrame] = await Promise.all([
    testbed.load({ ...load, seconds: LATENCY_SECONDS, rate }),
    frameDelays(server, 'answer', LATENCY_SECONDS, 30),
  ]);
  const at = `p99, at ${rate} writes a second, half of the highest rate`;
  return [
    {
      what: `latency: milliseconds of a write, ${at}`,
      against: '',
      figure: p99(latencies),
      target: { atMost: 50 },
    },
    {
      what: `latency: milliseconds from its answer to its frame, ${at}`,
      against: '',
      figure: p99(toFrame),
      target: { atMost: 250 },
    },
  ];
};

export const p99 = (sorted: readonly number[]): number =>
  sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
