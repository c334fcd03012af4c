import t from 'tap';
import { Problem } from '../../src/errors.js';
import { buildTestDatabase } from '../helper.js';
import { openPool, prepare } from './game-server.js';
import { newLedger, submission } from './ledgers.js';
import { events } from './truth.js';

t.test('draining writes what waits and refuses what comes', async (t) => {
  const databaseUrl = await buildTestDatabase(t);
  const users = await prepare(databaseUrl, 10);
  const pool = openPool(t, databaseUrl);
  const { ledger, errors } = newLedger(pool);
  const record = () => ledger.record(submission(users[0] ?? '', 1));
  let answered = 0;
  const writes = Array.from({ length: 700 }, () => record().then(() => answered++));
  // Whoever asks a second time waits as well.
  await Promise.all([ledger.drain(), ledger.drain()]);
  t.equal(answered, 700, 'three batches are answered');
  await Promise.all(writes);
  t.equal((await events(pool)).length, 700);
  await t.rejects(record(), new Problem('service-unavailable', 'The service is shutting down.'));
  await ledger.drain();
  t.same(errors, []);
});
