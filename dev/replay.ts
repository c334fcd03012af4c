import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { findCredentials, issueActionToken } from './replay/credentials.js';
import { type MatchFile, type Player, parseMatchFile } from './replay/match-file.js';
import { ensureUsers, play } from './replay/play.js';
import { ReplayError } from './replay/replay-error.js';
import { minute, Screen, table } from './replay/screen.js';
import { Service } from './replay/service.js';

const USAGE = `Plays a football tournament against a running service: every scorer is a user, every goal a point.

  npm run replay -- <file> [options]

  <file>              a match file of openfootball/worldcup.json, such as seeds/worldcup-2026.json
  --url <url>         where the service is (http://127.0.0.1:3000)
  --speed <n>         how many times faster than real time (by default the file lasts a minute)
  --leaderboard <id>  the board to show (global)
  --action <id>       the action that a goal counts as; must allow 1 point (finish-level)
  --seasons           the group stage and the knock-out are two seasons of the board (needs JWT_SECRET)
  --help              this text

The replay acts as a game server. It signs with JWT_SECRET and ACTION_TOKEN_SECRET from the environment, else with the
secrets that \`npm start\` generated in this folder. With SCOREBOARD_CLIENT_ID and SCOREBOARD_CLIENT_SECRET it logs in
as that service account, and needs only ACTION_TOKEN_SECRET.`;

const DEFAULT_DURATION_MS = 60_000;
const TOP = 10;

const stop = new AbortController();
// Only once: a second Ctrl-C ends the process immediately.
process.once('SIGINT', () => stop.abort());
const screen = new Screen(process.stdout);

try {
  await main();
} catch (error) {
  if (stop.signal.aborted) {
    screen.print('Stopped. The goals so far remain on the board.');
    process.exitCode = 130;
  } else if (error instanceof ReplayError) {
    screen.clear();
    console.error(error.message);
    process.exitCode = 1;
  } else {
    throw error;
  }
}

async function main(): Promise<void> {
  const { file, url, speed: wanted, leaderboard, action, seasons } = readArguments();
  if (file === undefined) return screen.print(USAGE);
  const matches = await readMatchFile(file);
  const { goals, players } = matches;
  const [first, last] = [goals.at(0), goals.at(-1)];
  if (first === undefined || last === undefined) throw new ReplayError(`There are no goals in ${file}.`);
  const speed = wanted ?? Math.max((last.at - first.at) / DEFAULT_DURATION_MS, 1);

  const { identity, actionTokenSecret } = findCredentials(process.env);
  const service = new Service(url, identity, stop.signal);
  await checkAction(service, action, leaderboard);
  screen.print(
    `${matches.title ?? file}: ${goals.length} goals by ${players.length} players, ` +
      `${minute(first.at)} to ${minute(last.at)} UTC, ${speed.toLocaleString('en', { maximumSignificantDigits: 3 })} times faster than real time`,
  );
  const userIds = await ensureUsers(service, matches, file);
  const issue = (userId: string) => issueActionToken(userId, action, actionTokenSecret);
  const playback = { service, screen, signal: stop.signal, leaderboard, speed, userIds, issue };
  if (seasons) {
    const stages = [
      { label: 'Group stage', goals: goals.filter(({ isOfGroup }) => isOfGroup) },
      { label: 'Knock-out', goals: goals.filter(({ isOfGroup }) => !isOfGroup) },
    ].filter(({ goals }) => goals.length > 0);
    for (const { label, goals } of stages) {
      const season = await service.beginSeason(leaderboard, label);
      screen.print(`\n${label}: season ${season} of the board "${leaderboard}"`);
      await play(goals, { ...playback, season });
      await printBoard(service, leaderboard, userIds, season);
    }
  } else {
    const { total } = await service.board(leaderboard, 1);
    if (total > 0)
      screen.print(`The board "${leaderboard}" already has ${total} entries, which keep their points.`);
    await play(goals, playback);
    await printBoard(service, leaderboard, userIds);
  }
}

interface Arguments {
  /** Undefined if only the help text is requested. */
  readonly file: string | undefined;
  readonly url: string;
  readonly speed: number | undefined;
  readonly leaderboard: string;
  readonly action: string;
  readonly seasons: boolean;
}

function readArguments(): Arguments {
  const { values, positionals } = parseCommandLine();
  const { url, leaderboard, action, seasons } = values;
  const speed = values.speed === undefined ? undefined : Number(values.speed);
  if (speed !== undefined && !(speed > 0)) throw new ReplayError('--speed must be a number greater than 0.');
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new ReplayError(`--url must be like http://127.0.0.1:3000, not ${url}.`);
  if (values.help) return { file: undefined, url, speed, leaderboard, action, seasons };
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) {
    throw new ReplayError('Name one match file: npm run replay -- seeds/worldcup-2026.json (see --help).');
  }
  return { file, url, speed, leaderboard, action, seasons };
}

function parseCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        url: { type: 'string', default: 'http://127.0.0.1:3000' },
        speed: { type: 'string' },
        leaderboard: { type: 'string', default: 'global' },
        action: { type: 'string', default: 'finish-level' },
        seasons: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('. ')[0] : String(cause);
    throw new ReplayError(`${reason} (see --help).`, { cause });
  }
}

async function readMatchFile(file: string): Promise<MatchFile> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ReplayError(`Cannot read ${file}: is this the path of the match file?`, { cause });
  }
  return parseMatchFile(text, file);
}

async function checkAction(service: Service, id: string, leaderboard: string): Promise<void> {
  const actions = await service.actions();
  const action = actions.find((action) => action.id === id);
  if (action === undefined) {
    const known = actions.map((action) => action.id).join(', ');
    throw new ReplayError(`The service has no action "${id}"; --action can be one of: ${known}.`);
  }
  if (!action.leaderboards.includes(leaderboard)) {
    throw new ReplayError(`The action "${id}" does not count on the board "${leaderboard}".`);
  }
}

async function printBoard(
  service: Service,
  leaderboard: string,
  userIds: Map<Player, string>,
  season?: number,
): Promise<void> {
  const { items, total } = await service.board(leaderboard, TOP, season);
  const players = new Map([...userIds].map(([player, userId]) => [userId, player]));
  const rows = items.map(({ rank, userId, displayName, score }) => {
    const team = players.get(userId)?.team ?? '';
    return [rank, displayName, team, score];
  });
  screen.print(`\nThe top ${items.length} of the ${total} on the board "${leaderboard}":\n`);
  screen.print(table(['#', 'Player', 'Team', 'Points'], rows));
}
