import { readFileSync } from 'node:fs';
import t from 'tap';
import { startApi } from '../api.js';
import { asShown } from '../shown.js';
import { runBlocks } from './commands.js';

t.test('the commands of the document answer as it shows', async (t) => {
  const { app, url } = await startApi(t);
  const authorization = async (name: string, role: 'admin' | 'server') => {
    const { id } = await app.serviceAccounts.create(name, role);
    return `Authorization: Bearer ${app.accessTokens.issue({ sub: id, role }).token}`;
  };
  const document = readFileSync('docs/boards.md', 'utf8').replaceAll('http://localhost:3000', url);
  const blocks = await runBlocks(document, {
    admin: await authorization('my-admin', 'admin'),
    game: await authorization('my-game', 'server'),
  });
  let shown = 0;
  for (const { language, text, output } of blocks) {
    if (language === 'bash') t.notMatch(output, /urn:scoreboard:problem/, text);
    if (language === 'json') t.same(...asShown(JSON.parse(output), JSON.parse(text)), `answer ${++shown}`);
    if (language === 'text') t.equal(output, text, `answer ${++shown}`);
  }
  t.ok(shown > 0);
});
