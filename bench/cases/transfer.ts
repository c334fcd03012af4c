import { setTimeout as delay } from 'node:timers/promises';
import { query } from '../../dev/databases.js';
import type { Case, Result } from '../case.js';
import { adminToken } from '../players.js';
import { untilProjected } from '../probe.js';
import { MANY } from '../testbed.js';

/** Scores a second of other players, while rows are counted. */
const RATE = 100;
const SECONDS = 30;
const PLAYERS = 1_000;
const LOOK_EVERY_MS = 200;

/** A file of so many players, a part at a time. */
async function* file(rows: number): AsyncGenerator<Buffer> {
  const LINES = 1_000;
  yield Buffer.from('externalId,displayName,score,achievedAt\n');
  for (let from = 0; from < rows; from += LINES) {
    let text = '';
    for (let n = from; n < Math.min(from + LINES, rows); n++)
      text += `player-${n},Player ${(n * 7_919) % MANY},${(n * 104_729) % 1_000_003},2024-01-${String((n % 28) + 1).padStart(2, '0')}T12:00:00Z\n`;
    yield Buffer.from(text);
  }
}

/** Sends a file, and resolves to how long that took, and then until its rows are counted, in seconds. */
async function bring(port: number, rows: number): Promise<{ received: number; counted: number }> {
  const url = `http://127.0.0.1:${port}/v1/admin/imports`;
  const headers = { authorization: `Bearer ${adminToken()}`, 'content-type': 'text/csv' };
  const start = performance.now();
  const body = ReadableStream.from(file(rows));
  const sent = await fetch(`${url}?board=global`, { method: 'POST', headers, body, duplex: 'half' });
  const received = (performance.now() - start) / 1000;
  if (sent.status !== 202) throw new Error(await sent.text());
  const location = sent.headers.get('location') ?? '';
  for (;;) {
    const answer = await (await fetch(`http://127.0.0.1:${port}${location}`, { headers })).text();
    if (answer.includes('"state":"failed"')) throw new Error(answer);
    if (answer.includes('"state":"done"'))
      return { received, counted: (performance.now() - start) / 1000 - received };
    await delay(LOOK_EVERY_MS);
  }
}

/** A million players are brought into an empty database, and then scores of others go on beside the next rows. */
export const imports: Case = async (testbed) => {
  const results: Result[] = [];
  const database = await testbed.database('imports', PLAYERS);
  const server = await testbed.server('service', database);
  const memory = await server.used('memory');
  const { received, counted } = await bring(server.port, MANY);
  const [sum] = await query<{ entries: number }>(
    database,
    "SELECT count(*)::int AS entries FROM scores WHERE leaderboard_id = 'global'",
  );
  if (sum?.entries !== MANY) throw new Error(`There are ${sum?.entries} entries`);
  results.push(
    {
      what: `import: rows a second, ${MANY} new players, from the first byte until all are counted`,
      against: '',
      figure: MANY / (received + counted),
      target: { atLeast: 20_000 },
    },
    { what: 'import: rows a second that are received', against: '', figure: MANY / received },
    { what: 'import: rows a second that are counted', against: '', figure: MANY / counted },
    {
      what: 'import: MB that the service has taken meanwhile',
      against: '',
      figure: ((await server.used('memory')) - memory) / 2 ** 20,
    },
  );
  const load = { port: server.port, connections: 16, users: PLAYERS, rate: RATE, seconds: SECONDS };
  await testbed.mint({ ...load, kind: 'mint' });
  const alone = await testbed.load({ ...load, kind: 'scores' });
  await testbed.mint({ ...load, kind: 'mint' });
  const [beside] = await Promise.all([testbed.load({ ...load, kind: 'scores' }), bring(server.port, MANY)]);
  const p99 = ({ latencies }: typeof alone) =>
    latencies[Math.ceil(latencies.length * 0.99) - 1] ?? Number.NaN;
  results.push(
    {
      what: 'import: ms of a score while the file is sent again, p99',
      against: '',
      figure: p99(beside),
      target: { atMost: 500 },
    },
    { what: 'import: ms of a score without that, p99', against: '', figure: p99(alone) },
  );
  return results;
};

/** A board of a million entries is exported. */
export const exports: Case = async (testbed) => {
  const results: Result[] = [];
  const database = await testbed.database('exports', MANY, MANY);
  const server = await testbed.server('service', database);
  await untilProjected(server, ['global']);
  for (const format of ['csv', 'ndjson']) {
    const memory = await server.used('memory');
    const start = performance.now();
    const answer = await fetch(
      `http://127.0.0.1:${server.port}/v1/admin/exports?board=global&format=${format}`,
      { headers: { authorization: `Bearer ${adminToken()}` } },
    );
    if (!answer.ok || answer.body === null) throw new Error(await answer.text());
    let lines = 0;
    for await (const chunk of answer.body) for (const byte of chunk) if (byte === 10) lines++;
    if (lines < MANY) throw new Error(`There are ${lines} lines`);
    results.push(
      {
        what: `export: entries a second of a board of ${MANY}, ${format}`,
        against: '',
        figure: MANY / ((performance.now() - start) / 1000),
        target: { atLeast: 20_000 },
      },
      {
        what: `export: MB that the service has taken meanwhile, ${format}`,
        against: '',
        figure: ((await server.used('memory')) - memory) / 2 ** 20,
        target: { atMost: 100 },
      },
    );
  }
  return results;
};
