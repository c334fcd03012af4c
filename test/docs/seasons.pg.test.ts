import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import { eventually, startApi } from '../api.js';
import { asShown } from '../shown.js';
import { startReceiver } from '../webhooks/receiver.js';
import { type RunBlock, runBlocks } from './commands.js';

const DOCUMENT = readFileSync('docs/seasons.md', 'utf8');
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
  const document = DOCUMENT.replaceAll(SHOWN_URL, url).replaceAll(DISCORD, discord.url);
  const blocks = await runBlocks(document, { admin });
  for (const [i, { language, text, output }] of blocks.entries()) {
    if (language === 'json') t.same(...asShown(JSON.parse(output), JSON.parse(text)));
    else if (!isShownToFail(blocks[i + 1])) t.notMatch(output, /urn:scoreboard:problem/, text);
  }
  const [shown = ''] = blocks.filter(({ language }) => language === 'text').map(({ text }) => text);
  await eventually(async () => assert.equal(discord.received.length, 1), CLOSED_MS);
  const [{ title = '', description = '' } = {}] = Value.Parse(
    Message,
    JSON.parse(discord.received[0]?.body ?? ''),
  ).embeds;
  t.equal(`${title}\n${description}\n`, shown);
});

/** Whether the answer, which comes after its commands, is shown to be a problem. */
const isShownToFail = (answer?: RunBlock): boolean =>
  answer?.language === 'json' && answer.text.includes('urn:scoreboard:problem');
