import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { type Goal, parseMatchFile } from '../../dev/replay/match-file.js';
import { ReplayError } from '../../dev/replay/replay-error.js';

const WORLD_CUP = 'seeds/worldcup-2026.json';
const text = readFileSync(WORLD_CUP, 'utf8');
const worldCup: { matches: Record<string, unknown>[] } = JSON.parse(text);

const parse = (content: unknown) => parseMatchFile(JSON.stringify(content), 'cup.json');
const match = (rest: object) => ({
  date: '2026-06-11',
  time: '13:00 UTC-6',
  team1: 'Peru',
  team2: 'Chile',
  ...rest,
});
const parseMatch = (rest: object) => parse({ matches: [match(rest)] });
const names = (goals: Goal[]) => goals.map((goal) => goal.player.name);
/** The time of the only goal of a match. */
const timeOf = (rest: object) => {
  const [goal] = parseMatch(rest).goals;
  return goal && `${new Date(goal.at).toISOString().slice(0, 16)}+${goal.stoppage}`;
};
const goal = (minute: unknown, rest: object = {}) => ({ goals1: [{ name: 'Paolo', minute, ...rest }] });

t.test('the World Cup 2026', async (t) => {
  const { title, goals, players } = parseMatchFile(text, WORLD_CUP);

  // Counted from the text itself: every goal is an object with a minute.
  const records = text.match(/\{[^{}]*"minute"[^{}]*\}/g) ?? [];
  const counted = records.filter((record) => !record.includes('"owngoal": true'));
  t.equal(title, 'World Cup 2026');
  t.equal(goals.length, counted.length);
  t.equal(goals.length, 294);
  t.equal(players.length, 178);

  const tally: Record<string, number> = {};
  for (const record of counted) {
    const name = /"name": "([^"]+)"/.exec(record)?.[1] ?? '';
    tally[name] = (tally[name] ?? 0) + 1;
  }
  const scored: Record<string, number> = {};
  for (const name of names(goals)) scored[name] = (scored[name] ?? 0) + 1;
  t.same(scored, tally, 'every player has the goals that the text lists');
  t.equal(goals.at(0)?.player.name, 'Julián Quiñones', 'the opening goal comes first');
  t.ok(
    goals.every((goal, index) => {
      const before = goals[index - 1] ?? goal;
      return before.at < goal.at || (before.at === goal.at && before.stoppage <= goal.stoppage);
    }),
    'in chronological order',
  );
});

t.test('the order of the matches in the file does not matter', async () => {
  // Goals of the same time keep the order of the file, so they are compared as a set.
  const story = (matches: unknown[]) =>
    parse({ matches }).goals.map(({ at, stoppage, player }) =>
      [at, stoppage, player.team, player.name].join('|'),
    );
  const canonical = story(worldCup.matches).sort();
  const all = { minLength: worldCup.matches.length, maxLength: worldCup.matches.length };
  fc.assert(
    fc.property(fc.shuffledSubarray(worldCup.matches, all), (shuffled) => {
      const goals = parse({ matches: shuffled }).goals;
      const times = goals.map((goal) => goal.at * 100 + goal.stoppage);
      const ordered = times.every((time, index) => time >= (times[index - 1] ?? 0));
      return ordered && JSON.stringify(story(shuffled).sort()) === JSON.stringify(canonical);
    }),
    { numRuns: 25 },
  );
});

t.test('within a match goals are ordered by minute, then by stoppage time', async (t) => {
  const { goals } = parseMatch({
    goals1: [
      { name: 'F', minute: '90+5' },
      { name: 'C', minute: '46' },
      { name: 'B', minute: '45+5' },
      { name: 'G', minute: 91 },
    ],
    goals2: [
      { name: 'E', minute: 90, offset: 1 },
      { name: 'D', minute: '90' },
      { name: 'A', minute: 45 },
    ],
  });
  t.equal(names(goals).join(''), 'ABCDEFG');
});

t.test('matches at the same time interleave, across UTC offsets and midnight', async (t) => {
  const at = (date: string, time: string, ...minutes: string[]) =>
    match({
      date,
      time,
      goals1: minutes.map((minute) => ({ name: `${time.slice(0, 2)}/${minute}`, minute })),
    });
  const { goals } = parse({
    matches: [
      at('2026-06-12', '02:00 UTC+5:30', '50', '45+2'),
      at('2026-06-11', '20:30', '10', '46'),
      at('2026-06-11', '13:30 UTC-7', '12'),
    ],
  });
  t.same(names(goals), ['20/10', '13/12', '02/45+2', '20/46', '02/50'], 'each by its own instant');
});

t.test('goals of the same time keep the order of the file', async (t) => {
  const both = { goals1: [{ name: 'A', minute: 9 }], goals2: [{ name: 'B', minute: 9 }] };
  t.equal(
    names(parse({ matches: [match(both), match({ goals2: [{ name: 'C', minute: 9 }] })] }).goals).join(''),
    'ABC',
  );
});

t.test('every notation of a minute', async (t) => {
  t.equal(timeOf(goal('9')), '2026-06-11T19:09+0');
  t.equal(timeOf(goal(9)), '2026-06-11T19:09+0');
  t.equal(timeOf(goal('90+5')), '2026-06-11T20:30+5');
  t.equal(timeOf(goal(90, { offset: 5 })), '2026-06-11T20:30+5');
  t.equal(timeOf(goal('90', { offset: 5 })), '2026-06-11T20:30+5');
});

t.test('every notation of a kick-off', async (t) => {
  const kickOff = (rest: object) => timeOf({ time: undefined, ...goal(0), ...rest })?.slice(0, 16);
  t.equal(kickOff({ time: '13:00 UTC-6' }), '2026-06-11T19:00');
  t.equal(kickOff({ time: '18:00 UTC+5:30' }), '2026-06-11T12:30');
  t.equal(kickOff({ time: '18:00 UTC-3:30' }), '2026-06-11T21:30');
  t.equal(kickOff({ time: '22:00 UTC-4' }), '2026-06-12T02:00');
  t.equal(kickOff({ time: '9:00 UTC' }), '2026-06-11T09:00');
  t.equal(kickOff({ time: '17:00' }), '2026-06-11T17:00', 'without an offset: UTC');
  t.equal(
    kickOff({ time: '17:00', timezone: 'UTC+3' }),
    '2026-06-11T14:00',
    'with the offset in a field of its own',
  );
  t.equal(kickOff({ time: '17:00 UTC+1', timezone: 'UTC+3' }), '2026-06-11T16:00');
  t.equal(kickOff({}), '2026-06-11T00:00', 'without a time: the day');
});

t.test('a time is the same in every offset', async () => {
  const clock = (minutes: number) =>
    `${String(Math.trunc(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
  const offsets = fc.integer({ min: -12 * 4, max: 14 * 4 }).map((quarters) => quarters * 15);
  const instants = fc.date({ min: new Date('1930-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
  fc.assert(
    fc.property(instants, offsets, (date, offset) => {
      const instant = Math.floor(date.getTime() / 60_000) * 60_000;
      const local = new Date(instant + offset * 60_000).toISOString();
      const zone = `UTC${offset < 0 ? '-' : '+'}${clock(Math.abs(offset))}`;
      const written = { date: local.slice(0, 10), time: `${local.slice(11, 16)} ${zone}`, ...goal(0) };
      return parseMatch(written).goals[0]?.at === instant;
    }),
  );
});

t.test('own goals count for no player', async (t) => {
  const goals1 = [
    { name: 'A', minute: 3, owngoal: true },
    { name: 'B', minute: 4, owngoal: false, penalty: true },
  ];
  const { goals, players } = parseMatch({ goals1 });
  t.same(names(goals), ['B']);
  t.same(players, [{ name: 'B', team: 'Peru' }]);
});

t.test('a player is a name in a team', async (t) => {
  const { goals, players } = parse({
    matches: [
      match({ goals1: [{ name: 'Müller', minute: 1 }], goals2: [{ name: 'Müller', minute: 2 }] }),
      match({ date: '2026-06-12', goals1: [{ name: 'Mu\u0308ller ', minute: 1 }] }),
    ],
  });
  t.same(players, [
    { name: 'Müller', team: 'Peru' },
    { name: 'Müller', team: 'Chile' },
  ]);
  t.equal(goals[0]?.player, goals[2]?.player, 'in every Unicode form of the name');
});

t.test('the layout of the older files', async (t) => {
  const older = (num: number, team1: string, team2: string, rest: object) => ({
    num,
    date: '2018-06-14',
    time: '18:00',
    team1: { name: team1, code: team1.slice(0, 3) },
    team2: { name: team2, code: team2.slice(0, 3) },
    score1: null,
    timezone: 'UTC+3',
    ...rest,
  });
  const { goals } = parse({
    name: 'World Cup 2018',
    rounds: [
      {
        name: 'Matchday 1',
        matches: [
          older(1, 'Russia', 'Saudi Arabia', {
            goals1: [
              { name: 'Golovin', minute: 90, offset: 4, score1: 5, score2: 0 },
              { name: 'Cheryshev', minute: 90, offset: 1, score1: 4, score2: 0 },
            ],
            goals2: [],
          }),
        ],
      },
      { name: 'Matchday 2', matches: [older(2, 'Egypt', 'Uruguay', { date: '2018-06-15' })] },
    ],
  });
  t.same(
    goals.map(({ player, at, stoppage }) => [player.name, player.team, new Date(at).toISOString(), stoppage]),
    [
      ['Cheryshev', 'Russia', '2018-06-14T16:30:00.000Z', 1],
      ['Golovin', 'Russia', '2018-06-14T16:30:00.000Z', 4],
    ],
  );
});

t.test('an error names the file, the match and the field', async (t) => {
  const faults: [string, () => unknown][] = [
    ['cup.json is not JSON.', () => parseMatchFile('{', 'cup.json')],
    ['cup.json: the content must be an object, not [].', () => parse([])],
    ['cup.json: matches must be a list of matches, not 5.', () => parse({ matches: 5 })],
    [
      'cup.json: match 1: date is missing, it must be a date like "2026-06-11".',
      () => parse({ matches: [{}] }),
    ],
    [
      'cup.json: match 1 (Peru – Chile): date must be a date like "2026-06-11", not "11.6.2026".',
      () => parseMatch({ date: '11.6.2026' }),
    ],
    [
      'cup.json: match 1 (Peru – Chile): time must be a time like "13:00 UTC-6" or "13:00", not "25:00".',
      () => parseMatch({ time: '25:00' }),
    ],
    [
      'cup.json: match 1 (Peru – Chile): goals1/0/minute must be a minute of play: 90, "90" or "90+5", not "half".',
      () => parseMatch(goal('half')),
    ],
    [
      'cup.json: match 1 (Peru – Chile): goals1/0/minute is missing, it must be a minute of play: 90, "90" or "90+5".',
      () => parseMatch(goal(undefined)),
    ],
    [
      'cup.json: match 1 (Peru – Chile): goals1/0/name must be a name, not "  ".',
      () => parseMatch(goal(1, { name: '  ' })),
    ],
    ['cup.json: match 1: team2 must be a name or {"name": …}, not 7.', () => parseMatch({ team2: 7 })],
    [
      'cup.json: match 2 (Peru – Chile): goals1/0/offset must be minutes of stoppage time, not -1.',
      () => parse({ matches: [match({}), match(goal(1, { offset: -1 }))] }),
    ],
  ];
  for (const [message, act] of faults) t.throws(act, new ReplayError(message), message);
});
