import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import t, { type Test } from 'tap';
import { eventually } from '../api.js';
import { BoardStream } from '../faults/board-stream.js';
import { Load, nothingLost, postAgain } from '../faults/load.js';
import { type Service, startService } from '../faults/service.js';
import { buildTestDatabase } from '../helper.js';
import { type Answer, GameServer, newToken, openPool, prepare } from '../ledger/game-server.js';
import { agreement, events, truth } from '../ledger/truth.js';

/** On a connection of its own, so that the requests are spread over the workers. */
async function ask(
  url: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const request = get(url, { agent: false, headers });
  const [response]: IncomingMessage[] = await once(request, 'response');
  let text = '';
  for await (const chunk of response ?? []) text += String(chunk);
  return { status: response?.statusCode ?? 0, text };
}

/** The processes that share the port. */
const workersOf = ({ process: { pid } }: Service): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);

/**
 * A worker that was not among those `before`, as soon as it runs its own program: its supervisor waits until then, and could do
 * nothing else if the worker were held up before.
 */
const replacementOf = (service: Service, before: readonly number[]): Promise<number> =>
  eventually(async () => {
    const [pid] = workersOf(service).filter((pid) => !before.includes(pid));
    assert(pid !== undefined && readFileSync(`/proc/${pid}/environ`, 'utf8').includes('NODE_UNIQUE_ID='));
    return pid;
  });

/** The sum of a counter, over all of its series. */
async function counted(url: string, name: string): Promise<number> {
  const { status, text } = await ask(`${url}/metrics`);
  assert.equal(status, 200);
  return [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
}

interface Running {
  readonly databaseUrl: string;
  readonly service: Service;
  readonly users: readonly string[];
}

/** Posts in flight are answered, streams end, and the exit code is 0. `before` are the answers of earlier posts. */
async function endsInOrder(
  t: Test,
  { databaseUrl, service, users }: Running,
  end: () => void,
  before: readonly Answer[] = [],
): Promise<void> {
  const pool = openPool(t, databaseUrl);
  const stream = await BoardStream.open(t, service.url);
  const load = new Load(new GameServer(t), users, 12, () => service.url);
  await load.more(100);
  const workers = workersOf(service);
  end();
  t.equal(await service.ended, 0);
  await load.stop();
  t.notOk(stream.isOpen);
  for (const pid of workers) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'no worker is left');
  // The supervisor has accepted connections that no worker took any more: they are reset.
  const isClean = ({ status, fault = '' }: Answer) =>
    status === 200 || status === 503 || ['ECONNREFUSED', 'ECONNRESET'].includes(fault);
  t.same(
    load.answers.filter((answer) => !isClean(answer)),
    [],
  );
  const answers = [...before, ...load.answers];
  t.comment(nothingLost(t, answers, await truth(pool, 'global'), await events(pool)));
}

const WORKERS = 2;
const variables = { WORKERS: String(WORKERS) };

t.test('limits and streams are those of one service, whichever worker takes a request', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const [user = ''] = await prepare(databaseUrl, 1);
  const limits = { RATE_LIMIT_READ: '40', SSE_MAX_CONNECTIONS_PER_IP: '4' };
  const service = await startService(t, databaseUrl, { ...variables, ...limits });
  t.equal(workersOf(service).length, WORKERS);

  const streams = await Promise.allSettled(Array.from({ length: 9 }, () => BoardStream.open(t, service.url)));
  const open = streams.flatMap((stream) => (stream.status === 'fulfilled' ? [stream.value] : []));
  t.equal(open.length, 4, 'streams of an address');
  t.equal(await counted(service.url, 'sse_connections_active'), 4);
  t.equal(await counted(service.url, 'sse_connections_capacity'), 10_000, 'a capacity is not added up');

  // Nine of the forty reads were the streams.
  const reads = await Promise.all(
    Array.from({ length: 60 }, () => ask(`${service.url}/v1/leaderboards/global/entries`)),
  );
  t.equal(reads.filter(({ status }) => status === 200).length, 31, 'reads of an address');
  t.equal(await counted(service.url, 'rate_limit_hits_total'), 29);

  const logins = await Promise.all(
    Array.from({ length: 9 }, async () => {
      const response = await fetch(`${service.url}/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', connection: 'close' },
        body: JSON.stringify({ username: 'nobody', password: 'not the password' }),
      });
      return response.status;
    }),
  );
  t.equal(logins.filter((status) => status === 401).length, 5, 'tries for an account');
  t.equal(logins.filter((status) => status === 429).length, 4);

  const health = await ask(`${service.url}/health`);
  t.same([health.status, JSON.parse(health.text).status], [200, 'ok']);

  t.equal((await new GameServer(t).post(service.url, newToken(user, 7))).status, 200);
  await eventually(async () => {
    for (const { board } of open) assert.equal(board?.items[0]?.score, 7);
  });
  t.pass('what one worker writes, the streams of all others show');

  const workers = workersOf(service);
  service.process.kill('SIGKILL');
  await eventually(async () => {
    for (const pid of workers) assert.throws(() => process.kill(pid, 0));
  });
  t.pass('workers end with a supervisor that was killed');
});

t.test(
  'a worker that is killed is replaced, the others serve on, and SIGTERM ends all, and nothing is lost',
  async (t) => {
    const databaseUrl = await buildTestDatabase(t);
    const users = await prepare(databaseUrl, 20);
    const pool = openPool(t, databaseUrl);
    const service = await startService(t, databaseUrl, variables);
    const game = new GameServer(t);
    const load = new Load(game, users, 12, () => service.url);
    const before = workersOf(service);
    await load.more(200);
    const requests = await counted(service.url, 'http_requests_total');
    const [victim = 0] = before;
    process.kill(victim, 'SIGKILL');
    const replacement = await replacementOf(service, before);
    process.kill(replacement, 'SIGSTOP');
    await eventually(async () => assert.equal((await ask(`${service.url}/health`)).status, 200));
    t.pass('whoever accepts no requests yet is not asked how it is');
    process.kill(replacement, 'SIGCONT');
    await load.more(100);
    await eventually(async () => {
      const now = workersOf(service);
      assert.equal(now.length, WORKERS);
      assert(!now.includes(victim));
      assert.equal((await ask(`${service.url}/health`)).status, 200);
    });
    t.ok((await counted(service.url, 'http_requests_total')) >= requests, 'counters do not fall');
    await load.more(100);
    await load.stop();
    const { answers } = load;
    t.comment(nothingLost(t, answers, await truth(pool, 'global'), await events(pool)));
    await postAgain(game, service.url, answers);
    await agreement(t, pool, [service.url], 20_000);

    const terminate = () => service.process.kill('SIGTERM');
    await endsInOrder(t, { databaseUrl, service, users }, terminate, answers);
  },
);

t.test('a worker that is only being started when the service is ended ends as well', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const withStarting = async () => {
    const service = await startService(t, databaseUrl, variables);
    const [killed = 0, other = 0] = workersOf(service);
    process.kill(killed, 'SIGKILL');
    return { service, other, starting: await replacementOf(service, [killed, other]) };
  };

  const terminated = await withStarting();
  // It is asked to close before it has loaded the code that hears it.
  process.kill(terminated.starting, 'SIGSTOP');
  terminated.service.process.kill('SIGTERM');
  await eventually(async () => assert.throws(() => process.kill(terminated.other, 0), { code: 'ESRCH' }));
  process.kill(terminated.starting, 'SIGCONT');
  t.equal(await terminated.service.ended, 0, 'SIGTERM');

  const interrupted = await withStarting();
  interrupted.service.process.kill('SIGINT');
  process.kill(interrupted.starting, 'SIGINT');
  t.equal(await interrupted.service.ended, 0, 'Ctrl-C');
});

t.test('Ctrl-C, which a terminal sends to every process, ends a service like SIGTERM', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 20);
  const service = await startService(t, databaseUrl, variables);
  await endsInOrder(t, { databaseUrl, service, users }, () => {
    for (const pid of workersOf(service)) process.kill(pid, 'SIGINT');
    service.process.kill('SIGINT');
  });
});

t.test('a start that must fail says why once, and ends with 1', async (t) => {
  const bad = new URL(await buildTestDatabase(t));
  bad.password = 'not the password';
  bad.username = 'nobody';
  await t.rejects(startService(t, bad.href, variables), { message: 'The service did not start: 1' });
});
