import t from 'tap';
import { Problem } from '../../src/errors.js';
import { ScoreLedger } from '../../src/ledger/score-ledger.js';
import { buildTestDatabase } from '../helper.js';
import { typeId } from '../mint.js';
import { ACTION, openPool, prepare } from './game-server.js';
import { events } from './truth.js';

t.test('draining writes what waits and refuses what comes', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 10);
  const pool = openPool(t, databaseUrl);
  const ledger = new ScoreLedger({
    pool,
    instance: 'test',
    onError: (error) => t.fail(String(error)),
    leaderboards: { apply: async (changes) => changes.map(() => ({ previousRank: null, rank: null })) },
  });
  const record = () =>
    ledger.record({
      tokenId: typeId('tok'),
      userId: users[0] ?? '',
      actionId: ACTION,
      points: 1,
      metadata: null,
      tokenExpiresAt: Date.now() / 1000 + 300,
    });
  let answered = 0;
  const writes = Array.from({ length: 700 }, () => record().then(() => answered++));
  // Whoever asks a second time waits as well.
  await Promise.all([ledger.drain(), ledger.drain()]);
  t.equal(answered, 700, 'three batches are answered');
  await Promise.all(writes);
  t.equal((await events(pool)).length, 700);
  await t.rejects(record(), new Problem('service-unavailable', 'The service is shutting down.'));
  await ledger.drain();
});
