import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { fromUuid } from '../../src/stored-ids.js';
import type { Case, Result } from '../case.js';
import { adminToken } from '../players.js';
import type { Testbed } from '../testbed.js';
import { ACCOUNT, BOT, inYear, NOBODY, RARE_ACCOUNT, SOMEBODY, VISITOR } from '../years.js';

const DAY_MS = 86_400_000;
const SIZES = [200_000, 2_000_000];
/** A search that has found less than a page is continued so often. */
const MOST_PAGES = 10;
const LIMIT = 20;

const user = (uuid: string) => `userId=${fromUuid('usr', uuid)}`;
const issuer = (uuid: string) => `issuer=${fromUuid('svc', uuid)}`;
const SEARCHES: Readonly<Record<string, string>> = {
  'without a filter': '',
  'counted events': 'status=counted',
  'held events': 'status=held',
  'voided events': 'status=voided',
  'an action of every other event': 'action=collect-coin',
  'an action of one event in 2,000': 'action=uncommon',
  'an action of one event in 10,000': 'action=seldom',
  'an action of one event in a million': 'action=rare',
  'an action of one event, eleven months ago': 'action=forgotten',
  'an action that nobody does': 'action=never',
  players: 'issuer=player',
  'an account': issuer(ACCOUNT),
  'an account of one event in a million': issuer(RARE_ACCOUNT),
  'an account of none': issuer(NOBODY),
  'the key of now': 'issuer=key_11111111',
  'the key of five months ago': 'issuer=key_00000000',
  'a key of one event in a million': 'issuer=key_0bad0bad',
  'a key of none': 'issuer=key_ffffffff',
  'a user of one event in a hundred': user(BOT),
  'a user of some': user(SOMEBODY),
  'a user of three': user(VISITOR),
  'a user of none': user(NOBODY),
  'the first user, voided': `${user(BOT)}&status=voided`,
  'the first user, an action that it does not do': `${user(BOT)}&action=never`,
  'the first user, a rare key': `${user(BOT)}&issuer=key_0bad0bad`,
  'voided, an action of one event in 10,000': 'status=voided&action=seldom',
  'voided, an action that nobody does': 'status=voided&action=never',
  'held, a rare action': 'status=held&action=rare',
  'a frequent action, a rare key': 'action=finish-level&issuer=key_0bad0bad',
  'a rare action, a rare key': 'action=rare&issuer=key_0bad0bad',
};

/** How long an administrator waits for events, in a ledger of a year. `EVENTS` says of how many events. */
export const searches: Case = async (testbed) => {
  const { EVENTS, FILLED_DATABASE_URL: filled } = process.env;
  const sizes = EVENTS === undefined ? SIZES : [Number(EVENTS)];
  if (filled !== undefined) return measure(testbed, filled, sizes[0] ?? 0);
  const results: Result[] = [];
  for (const events of sizes)
    results.push(...(await inYear(testbed, events, Date.now(), (url) => measure(testbed, url, events))));
  return results;
};

async function measure(testbed: Testbed, url: string, events: number): Promise<Result[]> {
  const { port } = await testbed.server('service', url);
  // What a client does once is no part of a search.
  await (await fetch(`http://127.0.0.1:${port}/health/live`)).text();
  const first = await search(port, '');
  const results: Result[] = [
    {
      what: `searches: ms of the first search of a process, ${events} events`,
      against: '',
      figure: first.slowest,
      target: { atMost: 300 },
    },
  ];
  for (const [span, from] of [
    ['30 days', ''],
    ['all time', `&from=${new Date(Date.now() - 400 * DAY_MS).toISOString()}`],
  ] as const)
    for (const [what, filter] of Object.entries(SEARCHES)) {
      const { slowest, pages, found, isWhole } = await search(port, `${filter}${from}`);
      const outcome = `${found} found in ${pages} ${pages === 1 ? 'page' : 'pages'}${isWhole ? '' : ', and on'}`;
      results.push({
        what: `searches: ms of the slowest page, ${events} events, ${span}, ${what}: ${outcome}`,
        against: '',
        figure: slowest,
        target: { atMost: 300 },
      });
    }
  return results;
}

const Page = Type.Object({
  items: Type.Array(Type.Unknown()),
  nextCursor: Type.Union([Type.String(), Type.Null()]),
});

/** Reads on until a page is full, or nothing is left. */
async function search(port: number, filter: string) {
  let [slowest, pages, found] = [0, 0, 0];
  const get = async (cursor: string | null) => {
    const at = cursor === null ? '' : `&cursor=${cursor}`;
    const answer = await fetch(`http://127.0.0.1:${port}/v1/admin/events?limit=${LIMIT}&${filter}${at}`, {
      headers: { authorization: `Bearer ${adminToken()}` },
    });
    if (!answer.ok) throw new Error(`${filter}: ${answer.status} ${await answer.text()}`);
    return Value.Parse(Page, await answer.json());
  };
  let cursor: string | null = null;
  do {
    const started = performance.now();
    const { items, nextCursor } = await get(cursor);
    slowest = Math.max(slowest, performance.now() - started);
    found += items.length;
    pages++;
    cursor = nextCursor;
  } while (cursor !== null && found < LIMIT && pages < MOST_PAGES);
  return { slowest, pages, found, isWhole: cursor === null || found >= LIMIT };
}
