import assert from 'node:assert/strict';
import t from 'tap';
import { boardKey } from '../../src/board-key.js';
import { keysOf } from '../../src/leaderboard/redis-projection.js';
import { type RedisCluster, type RedisServer, startRedisCluster } from '../redis-server.js';
import { cluster, type Run, underLoad } from './under-load.js';

/** The node that holds the board `global`. */
async function nodeOf({ nodes }: RedisCluster, { redis }: Run): Promise<RedisServer> {
  const [key = ''] = keysOf(boardKey('global', 1)).board;
  const slot = await redis.cluster('KEYSLOT', key);
  const node = nodes[Math.floor((slot * nodes.length) / 16_384)];
  assert(node !== undefined);
  return node;
}

t.test('a node of a Redis Cluster is killed and comes back', async (t) => {
  const servers = await startRedisCluster(t);
  await underLoad(t, cluster(servers.url), async (run) => {
    const node = await nodeOf(servers, run);
    await node.kill();
    await run.degraded();
    await node.restart();
  });
});

t.test('a node of a Redis Cluster hangs, and continues later', async (t) => {
  const servers = await startRedisCluster(t);
  await underLoad(t, cluster(servers.url), async (run) => {
    const { pid } = await nodeOf(servers, run);
    assert(pid !== undefined);
    process.kill(pid, 'SIGSTOP');
    await run.degraded();
    process.kill(pid, 'SIGCONT');
  });
});
