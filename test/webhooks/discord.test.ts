import assert from 'node:assert/strict';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import t from 'tap';
import type { Unit } from '../../schemas/unit.js';
import type { WebhookEvent } from '../../schemas/webhook.js';
import { discord } from '../../src/webhooks/discord.js';
import { typeId } from '../mint.js';

const Body = Type.Object(
  {
    embeds: Type.Tuple([
      Type.Object(
        {
          title: Type.String({ minLength: 1, maxLength: 256 }),
          description: Type.String({ minLength: 1, maxLength: 4096 }),
          timestamp: Type.String(),
        },
        { additionalProperties: false },
      ),
    ]),
    allowed_mentions: Type.Object({ parse: Type.Tuple([]) }, { additionalProperties: false }),
  },
  { additionalProperties: false },
);

const [ada, bob] = [typeId('usr'), typeId('usr')];
const message = (event: WebhookEvent) => ({ ...event, id: typeId('msg'), at: '2026-06-14T22:00:07.000Z' });

function shown(event: WebhookEvent, name = 'Ada', title = 'Global', unit?: Unit) {
  const names = {
    users: new Map([[ada, name]]),
    leaderboards: new Map([['global', title]]),
    units: new Map(unit && [['global 7', unit]]),
  };
  const body = Value.Parse(Body, discord.bodyOf(message(event), names));
  const [embed] = body.embeds;
  return embed;
}

const season = { leaderboard: 'global', season: 7, startsAt: null, endsAt: '2026-06-14T22:00:00.000Z' };
const leads: WebhookEvent = {
  type: 'leader.changed',
  data: { leaderboard: 'global', season: 7, userId: ada, score: 1_234_567, previousUserId: null },
};
const final = (userId: string, label: string | null, revision = 1): WebhookEvent => ({
  type: 'season.final',
  data: {
    ...season,
    label,
    entries: 10,
    digest: 'a3',
    revision,
    top: Array.from({ length: 10 }, (_, i) => ({ rank: i + 1, userId, score: 100 - i })),
  },
});

t.test('scores are written in the unit of their season, and equal ones share a medal', async (t) => {
  const laps: Unit = { kind: 'duration', suffix: ' *' };
  t.equal(
    shown(leads, 'Ada', 'Laps', laps).description,
    '**Ada** leads now, with 20\\:34.567 \\*.',
    'nothing of it is markup',
  );
  const top = [83_456, 84_000, 84_000, 90_000].map((score, i) => ({ rank: i + 1, userId: ada, score }));
  const event = final(ada, null);
  assert(event.type === 'season.final');
  const { description } = shown({ ...event, data: { ...event.data, top } }, 'Ada', 'Laps', {
    kind: 'percent',
    decimals: 3,
  });
  t.same(description.split('\n').slice(1), [
    '🥇 **Ada**: 83.456%',
    '🥈 **Ada**: 84.000%',
    '🥈 **Ada**: 84.000%',
    '4. **Ada**: 90.000%',
  ]);
});

t.test('each event is one embed, which says what has happened', async (t) => {
  t.same(shown(leads), {
    title: 'Global',
    description: '**Ada** leads now, with 1,234,567.',
    timestamp: '2026-06-14T22:00:07.000Z',
  });
  const lines = shown(final(ada, 'Week 7', 2)).description.split('\n');
  t.equal(lines[0], 'The final standings of season 7 (Week 7), corrected:');
  t.same(lines.slice(1, 5), ['🥇 **Ada**: 100', '🥈 **Ada**: 99', '🥉 **Ada**: 98', '4. **Ada**: 97']);
  t.match(shown(final(bob, null)).description, '**A deleted player**');
  const others: [WebhookEvent, RegExp][] = [
    [{ type: 'season.ended', data: { ...season, label: null } }, /^This is the end of season 7\./],
    [
      {
        type: 'season.skipped',
        data: { leaderboard: 'global', firstSeason: 3, lastSeason: 5, startsAt: 'a', endsAt: 'b' },
      },
      /^Seasons 3 to 5 went by/,
    ],
    [{ ...leads, data: { ...leads.data, userId: null, score: null } }, /^Nobody leads/],
    [
      { type: 'event.held', data: { eventId: 'evt_1', userId: ada, action: 'goal', points: 7 } },
      /score of \*\*Ada\*\* .* 7 points of goal/,
    ],
    [{ type: 'user.banned', data: { userId: ada } }, /^\*\*Ada\*\* was banned/],
    [{ type: 'webhook.test', data: {} }, /test/],
  ];
  for (const [event, text] of others) t.match(shown(event).description, text);
});

t.test('names are shown as they are, and mention nobody', async (t) => {
  const { description, title } = shown(leads, '@everyone [x](https://x.y) <@7> **`_~|', '# <#7>');
  t.equal(
    description,
    String.raw`**\@everyone \[x\]\(https\://x.y\) \<\@7\> \*\*\`\_\~\|** leads now, with 1,234,567.`,
  );
  t.equal(title, String.raw`\# \<\#7\>`);
});

t.test('no text is longer than Discord takes', async (t) => {
  const { title, description } = shown(
    final(ada, 'x'.repeat(3_000)),
    `${'*'.repeat(300)}`,
    '*😀'.repeat(200),
  );
  t.ok(title.length >= 255 && title.length <= 256, `${title.length}`);
  t.ok(description.length <= 4_096 && description.endsWith('…'), `${description.length}`);
  t.ok(Buffer.from(title).toString() === title, 'and none ends within a character');
});

t.test('Discord says when there may be more, in three ways', async (t) => {
  const answer = (status: number, headers: Record<string, string>, body = '') => ({ status, headers, body });
  for (const [given, ms] of [
    [answer(429, { 'retry-after': '65' }, '{"message": "", "retry_after": 64.57, "global": false}'), 65_000],
    [answer(429, {}, '{"retry_after": 64.57}'), 64_570],
    [answer(429, {}, '<html>'), 0],
    [answer(429, {}, '{"retry_after": -7}'), 0],
    [answer(200, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset-after': '0.25' }), 250],
    [answer(200, { 'x-ratelimit-remaining': '1', 'x-ratelimit-reset-after': '0.25' }), 0],
    [answer(200, {}), 0],
  ] as const)
    assert.equal(Math.round(discord.pauseMs(given)), ms, JSON.stringify(given));
  t.same(
    [404, 410, 400, 500].map((status) => discord.isGone(answer(status, {}))),
    [true, true, false, false],
  );
});
