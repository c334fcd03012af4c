import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { Import } from '../../schemas/import.js';
import { conform, serviceApi, startApi } from '../api.js';
import { over } from './files.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

const ROWS = 60_000;
const FILE_BYTES = ROWS * 1_000;
const LOOK_EVERY_ROWS = 5_000;

/** Bytes that are in use when all garbage is gone. */
function inUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

t.test('a file is never in memory as a whole, nor are its rows', async (t) => {
  const service = await startApi(t);
  const { app, api } = service;
  const admin = await serviceApi(service, 'admin');
  const before = inUse();
  let most = 0;
  /** Rows with much metadata, made as they are sent. */
  async function* file(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('key,externalId,score,metadata\n');
    for (let n = 0; n < ROWS; n += 100) {
      let text = '';
      for (let i = n; i < n + 100; i++)
        text += `${i},m-${i % 50},1,"{""n"":${i},""a"":""${'x'.repeat(980)}""}"\n`;
      yield Buffer.from(text);
      if (n % LOOK_EVERY_ROWS === 0) most = Math.max(most, inUse() - before);
    }
  }
  const { token } = app.accessTokens.issue({
    sub: (await app.serviceAccounts.create('sender', 'admin')).id,
    role: 'admin',
  });
  // Unlike fetch() it makes no more of the file than has been taken.
  const sent = request(`${api.url}/v1/admin/imports?board=global&dryRun=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'text/csv' },
  });
  const answered = once(sent, 'response');
  await pipeline(file, sent);
  const [response]: IncomingMessage[] = await answered;
  const received: unknown = response && (await json(response));
  conform(Import, received, 'the answer');
  t.match(await over(admin, received.id), { rows: ROWS, counted: ROWS });
  t.ok(most < FILE_BYTES / 2, `${Math.round(most / 2 ** 20)} MB of ${Math.round(FILE_BYTES / 2 ** 20)}`);
});
