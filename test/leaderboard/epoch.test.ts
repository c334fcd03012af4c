import t from 'tap';
import { setClock } from '../../src/clock.js';
import { newEpoch } from '../../src/leaderboard/epoch.js';

t.test('epochs sort by the clock of the database, whatever this machine takes for the time', async (t) => {
  const begun = [1, -1, 0].map((offHours) => {
    setClock(Date.now() + offHours * 3_600_000);
    return newEpoch();
  });
  const [later, earlier, now] = begun;
  t.same([...begun].sort(), [earlier, now, later]);
});
