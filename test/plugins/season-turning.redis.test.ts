import t from 'tap';
import { RedisServer } from '../redis-server.js';
import { beginSeason } from './begin-season.js';

t.test('a season begins on every instance with Redis, and its board is ready there before', async (t) => {
  const server = await RedisServer.start(t);
  await beginSeason(t, { REDIS_MODE: 'single', REDIS_URL: server.url });
});
