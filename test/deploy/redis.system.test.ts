import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import t from 'tap';
import { freePort } from '../../dev/free-port.js';
import { findTestProgram } from '../../dev/test-program.js';
import { Session } from '../../schemas/session.js';
import { eventually, startApi } from '../api.js';
import { RedisServer } from '../redis-server.js';

t.setTimeout(180_000);
const PASSWORD = 'a-password-for-tests';
const UP_WITHIN_MS = 30_000;

/** The settings of deploy/redis/redis.conf. */
const configured = Object.fromEntries(
  readFileSync('deploy/redis/redis.conf', 'utf8')
    .split('\n')
    .filter((line) => /^[a-z]/.test(line))
    .map((line): [string, string] => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
);

async function formCluster(nodes: readonly RedisServer[]): Promise<string> {
  const folder = dirname(findTestProgram('redis-cli') ?? '');
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const env = { PATH: `${folder}:${process.env['PATH']}`, REDISCLI_AUTH: PASSWORD };
  const { stdout } = await promisify(execFile)('sh', ['deploy/redis/form-cluster.sh', ...addresses], { env });
  return stdout;
}

t.test('the nodes of the stack form a cluster, which the service uses', async (t) => {
  t.match(configured, { appendonly: 'yes', 'maxmemory-policy': 'allkeys-lru' }, 'as specified');
  const start = async () =>
    RedisServer.start(t, {
      ...configured,
      ...{ requirepass: PASSWORD, masterauth: PASSWORD, 'cluster-port': String(await freePort()) },
    });
  const nodes = [await start(), await start(), await start()];
  t.match(await formCluster(nodes), /All 16384 slots covered/);
  const before = await nodesOf(nodes[0]);
  t.equal(before.length, 3);
  await formCluster(nodes);
  t.same(await nodesOf(nodes[0]), before, 'a second time nothing happens');

  const REDIS_URL = nodes.map(({ port }) => `redis://:${PASSWORD}@127.0.0.1:${port}`).join();
  const { api, url } = await startApi(t, { REDIS_MODE: 'cluster', REDIS_URL });
  await eventually(async () => assert.equal((await fetch(`${url}/health`)).status, 200), UP_WITHIN_MS);
  (await api.post('/v1/auth/guest', {})).is(201, Session);
});

/** The id and the slots of each node, according to one of them. */
async function nodesOf(node: RedisServer | undefined): Promise<string[]> {
  const client = new Redis(node?.port ?? 0, { password: PASSWORD });
  try {
    const lines = String(await client.call('CLUSTER', 'NODES'))
      .trim()
      .split('\n');
    return lines.map((line) => line.replace(/^(\S+) .* (\S+)$/, '$1 $2')).sort();
  } finally {
    client.disconnect();
  }
}
