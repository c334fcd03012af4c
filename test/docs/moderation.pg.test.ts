import { readFileSync } from 'node:fs';
import t from 'tap';
import { startApi } from '../api.js';
import { asShown } from '../shown.js';
import { runBlocks } from './commands.js';

const DOCUMENT = readFileSync('docs/moderation.md', 'utf8');

t.test('the commands of the document work as described', async (t) => {
  const { app, url } = await startApi(t);
  const { id } = await app.serviceAccounts.create('my-admin', 'admin');
  const admin = `Authorization: Bearer ${app.accessTokens.issue({ sub: id, role: 'admin' }).token}`;
  const blocks = await runBlocks(DOCUMENT.replaceAll('http://localhost:3000', url), { admin });
  for (const { language, text, output } of blocks) {
    if (language === 'json') t.same(...asShown(JSON.parse(output), JSON.parse(text)));
    else t.notMatch(output, /urn:scoreboard:problem/, text);
  }
  const outputs = blocks.filter(({ language }) => language === 'bash').map(({ output }) => output.trim());
  t.match(outputs.slice(-3), ['The key was leaked. It was undone.', 'voided', '204']);
});
