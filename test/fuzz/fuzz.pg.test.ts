import assert from 'node:assert/strict';
import fc, { type Arbitrary } from 'fast-check';
import t from 'tap';
import { type Answer, type Api, newPlayer, type Operation, serviceApi, startApi } from '../api.js';
import { mint, typeId } from '../mint.js';
import { broken, nasty, valid } from './arbitraries.js';

/** To each operation. `FUZZ_REQUESTS=5000 npx tap test/fuzz/fuzz.pg.test.ts --timeout=3600` is the long run. */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 60);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_123);

t.setTimeout(0);

/** What no request is for: of a leaderboard the season that is in force, of an account when it was used. */
const BY_TIME: Readonly<Record<string, string>> = {
  leaderboards:
    '{season,season_starts_at,season_ends_at,next_starts_at,next_ends_at,closed_through,sort,operator}',
  service_accounts: '{last_used_at}',
};

/** Every row there is, by its version: what changes a row, or adds or deletes one, changes this. */
const STATE = [
  'users',
  'scores',
  'score_events',
  'consumed_tokens',
  'sessions',
  'leaderboards',
  'actions',
  'action_leaderboards',
  'service_accounts',
  'admin_audit',
]
  .map((table) => {
    const changing = BY_TIME[table];
    const version =
      changing === undefined ? 'xmin::text || ctid::text' : `(to_jsonb(t) - '${changing}'::text[])::text`;
    return `SELECT '${table}', count(*), coalesce(sum(hashtext(${version})::bigint), 0) FROM ${table} t`;
  })
  .join(' UNION ALL ');

type Who = 'player' | 'server' | 'admin' | 'nobody' | 'forger';

interface Shot {
  readonly who: Who;
  readonly path: string;
  readonly json?: unknown;
  readonly body?: string | Buffer<ArrayBuffer>;
  readonly type?: string;
}

t.test(
  'no request, valid or broken, is our fault, is undocumented, or changes anything when it is refused',
  async (t) => {
    const { app, api } = await startApi(t, { SSE_MAX_CONNECTIONS_PER_IP: 10_000 });
    const other = await newPlayer(api, 'Bob');
    const callers: Record<Who, Api> = {
      player: (await newPlayer(api)).api,
      server: await serviceApi({ app, api }, 'server'),
      admin: await serviceApi({ app, api }, 'admin'),
      nobody: api,
      forger: api.as('eyJhbGciOiJub25lIn0.e30.'),
    };
    const known = ['global', 'collect-coin', 'finish-level', 'win-match', other.id];
    for (let i = 0; i < 3; i++) {
      const scored = await other.api.post('/v1/scores', { actionToken: mint(other.id) });
      known.push(String(Object(scored.body).eventId));
    }
    // Nothing but the requests changes anything.
    await app.jobs.stop();
    // So a void of many events would be waited for in vain.
    t.intercept(app.moderation, 'outcome', { value: (id: string) => app.moderation.progress(id) });
    const state = async () => JSON.stringify((await app.pg.query({ text: STATE, rowMode: 'array' })).rows);
    let sent = 0;
    let refused = 0;

    for (const [template, methods] of Object.entries(api.document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const name = `${method.toUpperCase()} ${template}`;
        const isStream = template.endsWith('/stream');
        let before = await state();
        const shoot = async (shot: Shot): Promise<void> => {
          sent++;
          const answer = await send(callers[shot.who], method.toUpperCase(), shot, isStream);
          assert(answer.status < 500, `${name}: ${answer.status}`);
          assert.doesNotMatch(
            JSON.stringify(answer.body) ?? '',
            /\bat .*\.[jt]s:\d|SELECT |INSERT INTO|pg_catalog/,
          );
          if (answer.status < 400) {
            // Who has left, or was erased, is somebody else from now on.
            if (answer.status === 204) callers.player = (await newPlayer(api)).api;
            before = await state();
            return;
          }
          refused++;
          const after = await state();
          // The one refusal that must change something: the session of a stolen token ends.
          if (Object(answer.body).code !== 'refresh-token-reused')
            assert.equal(after, before, `${name} was refused (${answer.status}), and has changed something`);
          before = after;
        };
        await fc.assert(
          fc.asyncProperty(shots(template, operation, api.document, known), async (shot) => shoot(shot)),
          { numRuns: REQUESTS, seed: SEED, endOnFailure: true },
        );
        t.pass(name);
      }
    }
    t.comment(`${sent} requests, ${refused} of them refused`);
    t.ok(refused > sent / 4 && refused < sent, 'some are refused, some are not');
  },
);

function shots(
  template: string,
  operation: Operation,
  document: unknown,
  known: readonly string[],
): Arbitrary<Shot> {
  const parameters = (operation.parameters ?? []).map(({ name, in: where, required, schema }) => {
    const good = valid(schema, document, [...known, typeId('usr')]).map(String);
    const any = fc.oneof({ weight: 4, arbitrary: good }, { weight: 1, arbitrary: nasty.map(asText) });
    return { name, where, value: where === 'path' || required ? any : fc.option(any, { nil: undefined }) };
  });
  const path = fc.tuple(tail, ...parameters.map(({ value }) => value)).map(([tail, ...values]) => {
    let url = template;
    const query = new URLSearchParams();
    for (const [i, { name, where }] of parameters.entries()) {
      const value = values[i];
      if (where === 'path') url = url.replace(`{${name}}`, encodeURIComponent(pathPart(value)));
      else if (value !== undefined) query.append(name, value);
    }
    return `${url}?${[query, ...tail].join('&')}`;
  });
  const isAdmin = template.startsWith('/v1/admin');
  const who = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<Who>(isAdmin ? 'admin' : 'player') },
    { weight: 3, arbitrary: fc.constantFrom<Who>('player', 'server', 'admin', 'nobody', 'forger') },
  );
  const content = operation.requestBody?.content['application/json'];
  if (content === undefined) return fc.record({ who, path });
  const good = valid(content.schema, document, known);
  const json = fc.oneof(good, broken(good));
  const garbage = fc.constantFrom(
    '{',
    '[1,',
    '{"__proto__":{"role":"admin"}}',
    '{"a":1,"a":2}',
    '"',
    'null',
    '\u0000',
    '{"displayName":"\\u0000","reason":"\\udfff","\\ud800":1}',
    '{"metadata":{"n":1e400},"points":9007199254740993,"displayName":"\u0410dmin"}',
    '{"metadata":{"a":{"\\u005f_proto__":{}}}}',
    Buffer.from('{"externalId":"J\xf6rg","displayName":"Jo","password":"\xff\xfe"}', 'latin1'),
    Buffer.from('grant_type=client_credentials&client_id=%ff&client_secret=%00\xff', 'latin1'),
  );
  const types = fc.constantFrom(
    'application/json',
    'application/json; charset=iso-8859-1',
    'application/x-www-form-urlencoded',
  );
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ who, path, json }) },
    { weight: 1, arbitrary: fc.record({ who, path, body: garbage, type: types }) },
    {
      weight: 1,
      arbitrary: fc.record({
        who,
        path,
        body: fc.string(),
        type: fc.constantFrom('text/plain', 'application/xml'),
      }),
    },
  );
}

/** What others add to a query string, and what no parameter is. */
const tail = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.subarray(
      ['lastEventId=a-1', '_=1', 'utm_source=%E9', '%00=%00', 'limit=%ff', 'limit=0x10', 'cursor=%00'],
      {
        minLength: 1,
        maxLength: 2,
      },
    ),
  },
);

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Without those parts that a URL does not keep as they are. */
function pathPart(value: string | undefined): string {
  const text = Buffer.from((value ?? '').slice(0, 90)).toString();
  return /^\.{0,2}$/.test(text) ? 'x' : text;
}

async function send(
  caller: Api,
  method: string,
  { path, json, body, type }: Shot,
  isStream: boolean,
): Promise<Answer> {
  if (isStream) {
    const response = await fetch(caller.url + path);
    await response.body?.cancel();
    if (response.status === 200) {
      assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
      return await caller.get('/health/live');
    }
  }
  return await caller.send(method, path, {
    ...(json !== undefined && { json }),
    ...(body !== undefined && { body, headers: { 'content-type': type ?? '' } }),
  });
}
