import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { jwt } from '../../dev/mint.js';
import { startApi } from '../api.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Bytes that are in use when all garbage is gone. */
function inUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

t.test('forged access tokens leave nothing behind', async (t) => {
  const { api } = await startApi(t);
  const forge = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const claims = {
        sub: 'usr_01kcx7f0w3e5tt9m6d7kq2x1zb',
        forged: Math.random(),
        filler: 'x'.repeat(8_000),
      };
      const forged = jwt({ alg: 'HS256', typ: 'JWT' }, claims, 'a secret that is not ours');
      (await api.as(forged).get('/v1/users/me')).fails('unauthenticated');
    }
  };
  await forge(100);
  const before = inUse();
  await forge(1_000);
  const kept = (inUse() - before) / 1_000;
  t.ok(kept < 5_000, `${Math.round(kept)} bytes for each token of 11 KB`);
});
