import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Goal, MatchFile, Player } from './match-file.js';
import type { Screen } from './screen.js';
import type { Service } from './service.js';

const USERS_AT_ONCE = 8;
const DISPLAY_NAME_LENGTH = 32;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Creates a user for every player, or finds the one that an earlier replay of this tournament created. */
export async function ensureUsers(
  service: Service,
  { title, players }: MatchFile,
  file: string,
): Promise<Map<Player, string>> {
  const tournament = (title ?? basename(file, '.json')).toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '-');
  const userIds = new Map<Player, string>();
  for (let next = 0; next < players.length; next += USERS_AT_ONCE) {
    await Promise.all(
      players.slice(next, next + USERS_AT_ONCE).map(async (player) => {
        const externalId = `${tournament}:${player.team}:${player.name}`;
        userIds.set(player, await service.ensureUser(displayName(player), externalId));
      }),
    );
  }
  return userIds;
}

function displayName({ name }: Player): string {
  const letters = [...name];
  if (letters.length <= DISPLAY_NAME_LENGTH) return name;
  return `${letters
    .slice(0, DISPLAY_NAME_LENGTH - 1)
    .join('')
    .trimEnd()}…`;
}

export interface Playback {
  readonly service: Pick<Service, 'postScore'>;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly leaderboard: string;
  /** In which the goals must count; by default whichever is in force. */
  readonly season?: number | undefined;
  /** How many times faster than real time. */
  readonly speed: number;
  readonly userIds: ReadonlyMap<Player, string>;
  /** Issues the action token for a goal of this user. */
  readonly issue: (userId: string) => string;
}

/** Posts the goals one by one, each at its time. */
export async function play(goals: Goal[], playback: Playback): Promise<void> {
  const { service, screen, signal, leaderboard, season, speed, userIds, issue } = playback;
  const expected = season === undefined ? undefined : { [leaderboard]: season };
  const begin = performance.now();
  const kickOff = goals[0]?.at ?? 0;
  let free = begin;
  for (const [index, { player, at }] of goals.entries()) {
    await until(Math.max(begin + (at - kickOff) / speed, free), signal);
    const userId = userIds.get(player);
    if (userId === undefined) throw new Error(`${player.name} has no user`);
    const ranks = await service.postScore(issue(userId), expected);
    // The service orders equal scores by the millisecond in which they were reached, so the next goal needs a later one.
    free = performance.now() + 2;
    screen.progress({
      done: index + 1,
      total: goals.length,
      at,
      scorer: player,
      rank: ranks.get(leaderboard) ?? null,
    });
  }
}

async function until(moment: number, signal: AbortSignal): Promise<void> {
  for (let left = moment - performance.now(); left > 0; left = moment - performance.now()) {
    await sleep(Math.min(left, LONGEST_TIMER_MS), undefined, { signal });
  }
}
