import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { ReplayError } from './replay-error.js';

/** A goal scorer. The same name in two teams means two players; each player is one object. */
export interface Player {
  readonly name: string;
  readonly team: string;
}

export interface Goal {
  readonly player: Player;
  /** Kick-off and the minute of play, in milliseconds since 1970. */
  readonly at: number;
  /** Minutes of stoppage time after that minute: 5 for "90+5". */
  readonly stoppage: number;
  /** Whether the match was one within a group: what follows is the knock-out. */
  readonly isOfGroup: boolean;
}

export interface MatchFile {
  readonly title: string | undefined;
  /** In the order of their first goals. */
  readonly players: Player[];
  /** In the order in which they were scored. Own goals are left out: they count for no player. */
  readonly goals: Goal[];
}

// The descriptions complete the sentence "<field> must be …".
const Name = Type.String({ minLength: 1, maxLength: 100, pattern: '\\S', description: 'a name' });
const Team = Type.Union([Name, Type.Object({ name: Name })], { description: 'a name or {"name": …}' });
const Zone = 'UTC([+-][0-9]{1,2}(:[0-5][0-9])?)?';

const GoalRecord = Type.Object({
  name: Name,
  minute: Type.Union(
    [Type.Integer({ minimum: 0, maximum: 999 }), Type.String({ pattern: '^[0-9]{1,3}(\\+[0-9]{1,2})?$' })],
    { description: 'a minute of play: 90, "90" or "90+5"' },
  ),
  offset: Type.Optional(Type.Integer({ minimum: 0, maximum: 99, description: 'minutes of stoppage time' })),
  owngoal: Type.Optional(Type.Boolean()),
});
const Goals = Type.Optional(Type.Array(GoalRecord, { description: 'a list of goals' }));

const MatchRecord = Type.Object({
  date: Type.String({
    pattern: '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$',
    description: 'a date like "2026-06-11"',
  }),
  time: Type.Optional(
    Type.String({
      pattern: `^([01]?[0-9]|2[0-3]):[0-5][0-9]( *${Zone})?$`,
      description: 'a time like "13:00 UTC-6" or "13:00"',
    }),
  ),
  group: Type.Optional(Type.String({ description: 'the name of a group' })),
  timezone: Type.Optional(Type.String({ pattern: `^${Zone}$`, description: 'an offset like "UTC+3"' })),
  team1: Team,
  team2: Team,
  goals1: Goals,
  goals2: Goals,
});
type MatchRecord = Static<typeof MatchRecord>;

const Matches = Type.Array(Type.Unknown(), { description: 'a list of matches' });
const FileRecord = Type.Object({
  name: Type.Optional(Type.String({ description: 'the title of the tournament' })),
  matches: Type.Optional(Matches),
  // The layout of the data set until 2018.
  rounds: Type.Optional(Type.Array(Type.Object({ matches: Matches }), { description: 'a list of rounds' })),
});

/**
 * Reads a file of the openfootball/worldcup.json data set, in its current or an earlier layout.
 * @param file name of the file, for error messages
 * @throws ReplayError that names the file, the match and the wrong field
 */
export function parseMatchFile(text: string, file: string): MatchFile {
  const { name, matches = [], rounds = [] } = checked(FileRecord, readJson(text, file), file);
  const roster = new Map<string, Player>();
  const goals = [...rounds.flatMap((round) => round.matches), ...matches].flatMap((match, index) =>
    goalsOf(checked(MatchRecord, match, `${file}: match ${index + 1}${teamsOf(match)}`), roster),
  );
  // Stoppage time only decides within a minute, so that 45+5 comes before 46. The sort is stable: goals of the same
  // time keep the order of the file.
  goals.sort((a, b) => a.at - b.at || a.stoppage - b.stoppage);
  return { title: name, goals, players: [...new Set(goals.map((goal) => goal.player))] };
}

function goalsOf(match: MatchRecord, roster: Map<string, Player>): Goal[] {
  const start = kickOff(match);
  const scored = (team: Static<typeof Team>, goals: Static<typeof GoalRecord>[] = []): Goal[] =>
    goals
      .filter((goal) => goal.owngoal !== true)
      .map(({ name, minute, offset = 0 }) => {
        const [played = 0, stoppage = offset] = String(minute).split('+').map(Number);
        const at = start + played * 60_000;
        return { player: playerOf(roster, team, name), at, stoppage, isOfGroup: match.group !== undefined };
      });
  return [...scored(match.team1, match.goals1), ...scored(match.team2, match.goals2)];
}

function playerOf(roster: Map<string, Player>, teamRecord: Static<typeof Team>, playerName: string): Player {
  const team = (typeof teamRecord === 'string' ? teamRecord : teamRecord.name).trim().normalize('NFC');
  const name = playerName.trim().normalize('NFC');
  const key = JSON.stringify([team, name]);
  const player = roster.get(key) ?? { name, team };
  roster.set(key, player);
  return player;
}

/** Older files have no offset, which is read as UTC, or no time, which is read as midnight. */
function kickOff({ date, time = '00:00', timezone = 'UTC' }: MatchRecord): number {
  const [clock = '', zone = timezone] = time.split(/ *(?=UTC)/);
  return Date.parse(`${date}T00:00:00Z`) + (minutes(clock) - minutes(zone.slice('UTC'.length))) * 60_000;
}

/** '18:30' → 1110, '-5:30' → -330, '' → 0. */
function minutes(clock: string): number {
  const [hours = 0, rest = 0] = clock.replace(/^[+-]/, '').split(':').map(Number);
  return (clock.startsWith('-') ? -1 : 1) * (hours * 60 + rest);
}

function readJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new ReplayError(`${file} is not JSON.`, { cause });
  }
}

function checked<T extends TSchema>(schema: T, value: unknown, where: string): Static<T> {
  if (Value.Check(schema, value)) return value;
  const fault = Value.Errors(schema, value).First();
  const field = fault?.path.slice(1) || 'the content';
  const wanted = fault?.schema.description ?? 'an object';
  throw new ReplayError(
    fault?.value === undefined
      ? `${where}: ${field} is missing, it must be ${wanted}.`
      : `${where}: ${field} must be ${wanted}, not ${JSON.stringify(fault.value).slice(0, 60)}.`,
  );
}

const Teams = Type.Object({ team1: Team, team2: Team });

/** The teams of a match, if the record has them: for error messages. */
function teamsOf(match: unknown): string {
  if (!Value.Check(Teams, match)) return '';
  const [home, away] = [match.team1, match.team2].map((team) =>
    typeof team === 'string' ? team : team.name,
  );
  return ` (${home} – ${away})`;
}
