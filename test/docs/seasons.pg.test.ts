import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { eventually, startApi } from '../api.js';
import { asShown, fencesOf } from '../shown.js';
import { startReceiver } from '../webhooks/receiver.js';

const FENCES = fencesOf(readFileSync('docs/seasons.md', 'utf8'));
const SHOWN_URL = 'http://localhost:3000';
const DISCORD = 'https://discord.com';
const Message = Type.Object({
  embeds: Type.Array(Type.Object({ title: Type.String(), description: Type.String() })),
});
/** A season is closed some seconds after its end, which is some seconds ahead. */
const CLOSED_MS = 90_000;

t.test('the commands of the document work as described', async (t) => {
  const { app, url } = await startApi(t, { WEBHOOK_ALLOW_NETWORKS: ['127.0.0.1'] });
  const discord = await startReceiver(t, 200);
  const { id } = await app.serviceAccounts.create('my-admin', 'admin');
  const admin = `Authorization: Bearer ${app.accessTokens.issue({ sub: id, role: 'admin' }).token}`;
  const env = { PATH: process.env['PATH'], admin };
  const steps = FENCES.filter(({ language }) => language === 'bash').map(
    ({ text }) => `${text}printf '\\036'\n`,
  );
  const script = steps.join('').replaceAll(SHOWN_URL, url).replaceAll(DISCORD, discord.url);
  const shell = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { env });
  const outputs = shell.stdout.split('\x1e');
  t.equal(outputs.length, steps.length + 1, 'all of them');
  let output = '';
  for (const { language, text } of FENCES) {
    if (language === 'bash') output = outputs.shift() ?? '';
    if (language === 'json') t.same(...asShown(JSON.parse(output), JSON.parse(text)));
    else if (!isShownToFail(text)) t.notMatch(output, /urn:scoreboard:problem/, text);
  }
  const [shown = ''] = FENCES.filter(({ language }) => language === 'text').map(({ text }) => text);
  await eventually(async () => assert.equal(discord.received.length, 1), CLOSED_MS);
  const [{ title = '', description = '' } = {}] = Value.Parse(
    Message,
    JSON.parse(discord.received[0]?.body ?? ''),
  ).embeds;
  t.equal(`${title}\n${description}\n`, shown);
});

/** Whether the answer to these commands, which comes next, is shown to be a problem. */
function isShownToFail(commands: string): boolean {
  const answer = FENCES[FENCES.findIndex(({ text }) => text === commands) + 1];
  return answer?.language === 'json' && answer.text.includes('urn:scoreboard:problem');
}
