import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Entries, leaderboardOf } from '@scoreboard/client';
import t, { type Test } from 'tap';
import { play } from '../../dev/replay/play.js';
import { Screen } from '../../dev/replay/screen.js';
import { NODE_ARGUMENTS } from '../../dev/testing/node-arguments.js';
import { buildTestApp } from '../helper.js';

const WORLD_CUP = 'seeds/worldcup-2026.json';
const SCRIPT = fileURLToPath(new URL('../../dev/replay.js', import.meta.url));

type Environment = Record<string, string | undefined>;

/** A service with an empty board, and its secrets, which the replay needs. */
async function startService(t: Test) {
  const { app, url, config } = await buildTestApp(t);
  const { JWT_SECRET, ACTION_TOKEN_SECRET } = config;
  return { app, url, secrets: { JWT_SECRET, ACTION_TOKEN_SECRET } };
}

/** Starts the replay as a process with only this environment. */
function start(args: string[], environment: Environment, cwd = process.cwd()) {
  return spawn(process.execPath, [...NODE_ARGUMENTS, SCRIPT, ...args], {
    env: { PATH: process.env['PATH'], ...environment },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function replay(args: string[], environment: Environment, cwd?: string) {
  const child = start(args, environment, cwd);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr };
}

/** The whole board, as "name: score" from the top; by default in the season in force. */
async function board(url: string, season?: number): Promise<string[]> {
  const lines: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Entries = await leaderboardOf(url, 'global').top({
      limit: 100,
      ...(season && { season }),
      ...(cursor && { cursor }),
    });
    lines.push(...page.items.map(({ displayName, score }) => `${displayName}: ${score}`));
    cursor = page.nextCursor;
  }
  return lines;
}

/** Writes a file with one match a day; goals are written like "Ana 90+2". */
function cup(t: Test, ...days: string[][]): string {
  const matches = days.map((goals, day) => ({
    date: `2026-06-0${day + 1}`,
    time: '12:00 UTC+2',
    team1: 'Peru',
    team2: 'Chile',
    goals1: goals.map((goal) => ({ name: goal.split(' ')[0], minute: goal.split(' ')[1] })),
  }));
  return `${t.testdir({ 'cup.json': JSON.stringify({ name: 'Cup', matches }) })}/cup.json`;
}

/** The list of top scorers as "name: goals", of one stage or all, read from the file without the replay's own parser. */
function topScorers(file: string, stage?: 'group' | 'knock-out'): string[] {
  interface Goal {
    name: string;
    minute: string;
    owngoal?: boolean;
  }
  interface Match {
    date: string;
    time: string;
    team1: string;
    team2: string;
    round: string;
    goals1?: Goal[];
    goals2?: Goal[];
  }
  const { matches }: { matches: Match[] } = JSON.parse(readFileSync(file, 'utf8'));
  const isOf = ({ round }: Match) =>
    stage === undefined || round.startsWith('Matchday') === (stage === 'group');
  const goals = matches.filter(isOf).flatMap((match) => {
    const kickOff = Date.parse(`${match.date}T${match.time.replace(' UTC-', ':00-0')}:00`);
    const sides = [match.goals1 ?? [], match.goals2 ?? []];
    return sides.flatMap((side, index) =>
      side
        .filter((goal) => !goal.owngoal)
        .map(({ name, minute }) => {
          const [played = 0, stoppage = 0] = minute.split('+').map(Number);
          return { name, team: index === 0 ? match.team1 : match.team2, order: [kickOff, played, stoppage] };
        }),
    );
  });
  const later = (a: number[], b: number[]) =>
    a.map((x, i) => x - (b[i] ?? 0)).find((difference) => difference !== 0) ?? 0;
  goals.sort((a, b) => later(a.order, b.order));
  const tally = new Map<string, { name: string; score: number; last: number }>();
  for (const [last, { name, team }] of goals.entries()) {
    const score = (tally.get(`${name} of ${team}`)?.score ?? 0) + 1;
    tally.set(`${name} of ${team}`, { name, score, last });
  }
  return [...tally.values()]
    .sort((a, b) => b.score - a.score || a.last - b.last)
    .map(({ name, score }) => `${name}: ${score}`);
}

t.test('the World Cup ends with the true list of top scorers', async (t) => {
  const { url, secrets } = await startService(t);
  const { code, stdout, stderr } = await replay([WORLD_CUP, '--url', url, '--speed', '10000000'], secrets);
  t.equal(stderr, '');
  t.equal(code, 0);

  const truth = topScorers(WORLD_CUP);
  t.equal(truth.length, 178);
  t.same(await board(url), truth);
  t.match(stdout, /^World Cup 2026: 294 goals by 178 players, .*10,000,000 times faster than real time$/m);
  t.match(stdout, /^294\/294 {2}2026-07-19 /m, 'lines report the progress');
  t.match(stdout, /^ +1 {2}Kylian Mbappé +France +\d+$/m, 'the top of the board comes last');
  t.notMatch(stdout, /already/);
});

t.test('the group stage and the knock-out are two seasons', async (t) => {
  const { app, url, secrets } = await startService(t);
  const args = [WORLD_CUP, '--seasons', '--url', url, '--speed', '10000000'];
  const { code, stdout, stderr } = await replay(args, secrets);
  t.equal(stderr, '');
  t.equal(code, 0);
  const { rows } = await app.pg.pool.query(
    "SELECT season, label FROM seasons WHERE leaderboard_id = 'global' ORDER BY season",
  );
  t.same(rows, [
    { season: 1, label: 'Group stage' },
    { season: 2, label: 'Knock-out' },
  ]);
  t.same(await board(url, 1), topScorers(WORLD_CUP, 'group'));
  t.same(await board(url), topScorers(WORLD_CUP, 'knock-out'));
  t.match(stdout, /^Group stage: season 1 of the board "global"$.*^Knock-out: season 2 of/ms);

  const { id, secret } = await app.serviceAccounts.create('game server', 'server');
  const account = { ...secrets, SCOREBOARD_CLIENT_ID: id, SCOREBOARD_CLIENT_SECRET: secret };
  t.match(
    (await replay(args, account)).stderr,
    /--seasons needs JWT_SECRET: a game server may not end seasons/,
  );
});

t.test('an older file replays, and a second replay adds to the same users', async (t) => {
  const { url, secrets } = await startService(t);
  const russia = { name: 'Russia', code: 'RUS' };
  const match = {
    date: '2018-06-14',
    team1: russia,
    team2: { name: 'Saudi Arabia', code: 'KSA' },
    goals2: [],
  };
  const goals = (...list: object[]) => list.map((goal) => ({ score1: 1, score2: 0, ...goal }));
  const rounds = [
    {
      name: 'Matchday 1',
      matches: [
        { ...match, time: '20:00', goals1: goals({ name: 'Late', minute: 1 }) },
        {
          ...match,
          time: '18:00',
          goals1: goals(
            { name: 'Golovin', minute: 90, offset: 4 },
            { name: 'Cheryshev', minute: 90, offset: 1 },
            { name: 'Ignashevich', minute: 89, owngoal: true },
            { name: 'A name that is longer than any display name may be', minute: 12 },
          ),
        },
      ],
    },
  ];
  const file = `${t.testdir({ 'worldcup.json': JSON.stringify({ name: 'World Cup 2018', rounds }) })}/worldcup.json`;

  const first = await replay([file, '--url', url, '--speed', '1e9'], secrets);
  t.equal(first.stderr, '');
  const names = ['A name that is longer than any…', 'Cheryshev', 'Golovin', 'Late'];
  t.same(
    await board(url),
    names.map((name) => `${name}: 1`),
  );

  const second = await replay([file, '--url', url, '--speed', '1e9'], secrets);
  t.match(second.stdout, 'The board "global" already has 4 entries, which keep their points.');
  t.same(
    await board(url),
    names.map((name) => `${name}: 2`),
  );
});

t.test('the same name in two teams means two players', async (t) => {
  const { url, secrets } = await startService(t);
  const goals = [{ name: 'Müller', minute: '1' }];
  const match = {
    date: '2026-06-01',
    team1: 'Peru',
    team2: 'Chile',
    goals1: goals,
    goals2: [...goals, ...goals],
  };
  const file = `${t.testdir({ 'cup.json': JSON.stringify({ matches: [match] }) })}/cup.json`;
  const { stdout } = await replay([file, '--url', url], secrets);
  t.same(await board(url), ['Müller: 2', 'Müller: 1']);
  t.match(stdout, /1 {2}Müller {2}Chile +2\n +2 {2}Müller {2}Peru +1/);
});

/**
 * A proxy before the service that disturbs posts of scores, each as the next item of the list says: `lost` lets the service
 * count the token and drops the response, `busy` answers 503 itself.
 */
async function disturbingProxy(
  t: Test,
  target: string,
  disturbances: ('fine' | 'lost' | 'busy')[],
): Promise<string> {
  const server = createServer(async (request, response) => {
    const disturbance = (request.url === '/v1/scores' && disturbances.shift()) || 'fine';
    const body = await text(request);
    if (disturbance === 'busy') {
      response.writeHead(503, { 'retry-after': '0' }).end();
      return;
    }
    const { authorization = '' } = request.headers;
    const answer = await fetch(`${target}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { authorization, 'content-type': 'application/json' },
      ...(body !== '' && { body }),
    });
    const content = await answer.text();
    if (disturbance === 'lost') request.socket.destroy();
    else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(content);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
}

t.test('lost responses and a busy service lose no goal and count none twice', async (t) => {
  const { url, secrets } = await startService(t);
  const proxy = await disturbingProxy(t, url, [
    'lost',
    'fine',
    'busy',
    'busy',
    'fine',
    'busy',
    'lost',
    'fine',
  ]);
  const file = cup(t, ['Ana 1', 'Bea 2', 'Bea 3', 'Cid 4']);
  const { code, stderr } = await replay([file, '--url', proxy, '--speed', '1e9'], secrets);
  t.equal(stderr, '');
  t.equal(code, 0);
  t.same(await board(url), ['Bea: 2', 'Ana: 1', 'Cid: 1']);
});

t.test('Ctrl-C ends the replay, and the goals so far remain', async (t) => {
  const { url, secrets } = await startService(t);
  const child = start([cup(t, ['Ana 1'], ['Bea 1']), '--url', url, '--speed', '1'], secrets);
  const end = once(child, 'close');
  let stdout = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    stdout += chunk;
    if (!child.killed && stdout.includes('1/2')) child.kill('SIGINT');
  }
  t.same((await end)[0], 130);
  t.match(stdout, /1\/2.*\nStopped\. The goals so far remain on the board\.\n$/s);
  t.same(await board(url), ['Ana: 1']);
});

t.test('a service account replaces JWT_SECRET', async (t) => {
  const { app, url, secrets } = await startService(t);
  const { id, secret } = await app.serviceAccounts.create('game server', 'server');
  const { ACTION_TOKEN_SECRET } = secrets;
  const account = { ACTION_TOKEN_SECRET, SCOREBOARD_CLIENT_ID: id, SCOREBOARD_CLIENT_SECRET: secret };
  const file = cup(t, ['Ana 1', 'Bea 2', 'Bea 3']);
  const args = [file, '--url', url, '--speed', '1e9'];
  const { code, stderr } = await replay(args, account, t.testdirName);
  t.equal(stderr, '');
  t.equal(code, 0);
  t.same(await board(url), ['Bea: 2', 'Ana: 1']);

  const wrong = await replay(args, { ...account, SCOREBOARD_CLIENT_SECRET: 'guess' }, t.testdirName);
  t.equal(wrong.code, 1);
  t.match(wrong.stderr, /does not know this SCOREBOARD_CLIENT_ID with this SCOREBOARD_CLIENT_SECRET/);
});

t.test('goals are posted at their time, and never two in one millisecond', async (t) => {
  const player = { name: 'Ana', team: 'Peru' };
  const goals = Array.from({ length: 20 }, (_, index) => ({
    player,
    at: index < 10 ? 0 : 60_000,
    stoppage: 0,
    isOfGroup: true,
  }));
  const times: number[] = [];
  const postScore = async () => {
    times.push(Date.now());
    return new Map();
  };
  const begin = Date.now();
  await play(goals, {
    service: { postScore },
    screen: new Screen({ write: () => {} }),
    signal: new AbortController().signal,
    leaderboard: 'global',
    speed: 300,
    userIds: new Map([[player, 'usr_ana']]),
    issue: () => 'token',
  });
  t.equal(new Set(times).size, 20);
  // The first may be late: the others are not posted later for that.
  const [eleventh = 0] = times.slice(10);
  t.ok(eleventh - begin >= 199, 'a minute lasts 200 ms at 300 times real time');
});

t.test('a terminal shows a bar that is redrawn in place and never wraps', async (t) => {
  const written: string[] = [];
  const screen = new Screen({ write: (text) => written.push(text), isTTY: true, columns: 60 });
  const scorer = { name: 'Ana', team: 'Peru' };
  screen.progress({ done: 1, total: 2, at: Date.UTC(2026, 5, 11, 19, 9), scorer, rank: 1 });
  screen.print('Done');
  t.same(written, [
    '\r████████████░░░░░░░░░░░░  1/2  2026-06-11 19:09  Ana (Peru)\x1b[K',
    '\r\x1b[K',
    'Done\n',
  ]);
});

t.test('a failure is reported in one line that says what to do', async (t) => {
  const { url, secrets } = await startService(t);
  const file = cup(t, ['Ana 1']);
  const other = 'x'.repeat(40);
  const faults: { args: string[]; environment?: Environment; cwd?: string; says: RegExp }[] = [
    { args: [], says: /Name one match file/ },
    { args: [file, '--sped', '5'], says: /'--sped'.*--help/ },
    { args: [file, '--speed', 'fast'], says: /--speed must be a number greater than 0/ },
    { args: [file, '--url', 'localhost'], says: /--url must be like/ },
    { args: [`${file}.gone`], says: /Cannot read .*cup\.json\.gone/ },
    { args: ['package.json'], says: /There are no goals in package\.json/ },
    { args: [SCRIPT], says: /replay\.js is not JSON/ },
    {
      args: [file, '--url', 'http://127.0.0.1:9'],
      says: /No service answers at http:\/\/127\.0\.0\.1:9: is `npm start` running\?/,
    },
    {
      args: [file, '--url', url],
      environment: {},
      cwd: t.testdirName,
      says: /There is no JWT_SECRET here: run this in the folder/,
    },
    {
      args: [file, '--url', url],
      environment: { ...secrets, JWT_SECRET: other },
      says: /does not accept what JWT_SECRET signed/,
    },
    {
      args: [file, '--url', url],
      environment: { ...secrets, ACTION_TOKEN_SECRET: other },
      says: /does not accept what ACTION_TOKEN_SECRET signed/,
    },
    {
      args: [file, '--url', url, '--action', 'fly'],
      says: /has no action "fly"; --action can be one of: .*finish-level/,
    },
    {
      args: [file, '--url', url, '--leaderboard', 'moon'],
      says: /"finish-level" does not count on the board "moon"/,
    },
  ];
  for (const { args, environment = secrets, cwd, says } of faults) {
    const { code, stderr } = await replay(args, environment, cwd);
    t.equal(code, 1);
    t.match(stderr, says);
    t.equal(stderr.trimEnd().split('\n').length, 1, 'one line');
  }
  t.same(await board(url), []);
});
