import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { type Format, formattedIn, type Message, type Names, sharedRanks } from './message.js';
import type { Answer } from './post.js';
import { msOf, pauseMs } from './tries.js';

/** Limits of an embed, in characters. */
const MAX_TITLE = 256;
const MAX_DESCRIPTION = 4_096;
const MEDALS = ['🥇', '🥈', '🥉'];
const NO_TITLE = 'Scoreboard';

const RateLimited = Type.Object({ retry_after: Type.Number({ minimum: 0 }) });
const SECOND_MS = 1_000;
const HTTP_NOT_FOUND = 404;
const HTTP_GONE = 410;

/**
 * A message in a channel of Discord, through a webhook of that channel. Sources: "Execute Webhook" and "Rate Limits" of Discord's
 * documentation for developers.
 */
export const discord: Format = {
  userAgent: 'DiscordBot (scoreboard-api, 1)',
  // Its limit is a few messages a second: more at a time would only be refused.
  atATime: 1,
  urlOf(url) {
    const waiting = new URL(url);
    // Without it Discord answers before it has stored the message, and does not say if it has not.
    waiting.searchParams.set('wait', 'true');
    return waiting;
  },
  bodyOf: (message, names) => ({
    embeds: [
      {
        title: cut(titleOf(message, names), MAX_TITLE),
        description: cut(descriptionOf(message, names), MAX_DESCRIPTION),
        timestamp: message.at,
      },
    ],
    // A display name may be "@everyone".
    allowed_mentions: { parse: [] },
  }),
  // Discord restricts those that go on with a webhook which it does not know any more.
  isGone: ({ status }) => status === HTTP_NOT_FOUND || status === HTTP_GONE,
  pauseMs: (answer) => Math.max(pauseMs(answer), retryAfterMs(answer), untilResetMs(answer)),
};

/** More exact than the header, which has whole seconds. */
function retryAfterMs({ status, body }: Answer): number {
  if (status !== 429) return 0;
  try {
    return Value.Parse(RateLimited, JSON.parse(body)).retry_after * SECOND_MS;
  } catch {
    // A proxy in between has answered.
    return 0;
  }
}

/** The last message that the limit allows was answered with the time after which there may be more. */
function untilResetMs({ headers }: Answer): number {
  if (headers['x-ratelimit-remaining'] !== '0') return 0;
  return msOf(headers['x-ratelimit-reset-after']);
}

function titleOf({ data }: Message, { leaderboards }: Names): string {
  if (!('leaderboard' in data)) return NO_TITLE;
  return plain(leaderboards.get(data.leaderboard) ?? data.leaderboard);
}

function descriptionOf(message: Message, names: Names): string {
  const name = (userId: string) => `**${plain(names.users.get(userId) ?? 'A deleted player')}**`;
  const scoreIn = (season: { readonly leaderboard: string; readonly season: number }, score: number) => {
    const formatted = formattedIn(names, season, score);
    return formatted === undefined ? number(score) : plain(formatted);
  };
  const { type, data } = message;
  switch (type) {
    case 'season.ended':
      return `This is the end of ${seasonOf(data)}. The final standings follow.`;
    case 'season.final': {
      const corrected = data.revision > 1 ? ', corrected' : '';
      const places = sharedRanks(data.top).map(({ sharedRank, userId, score }) => {
        return `${MEDALS[sharedRank - 1] ?? `${sharedRank}.`} ${name(userId)}: ${scoreIn(data, score)}`;
      });
      return [`The final standings of ${seasonOf(data)}${corrected}:`, ...places].join('\n');
    }
    case 'season.skipped':
      return data.firstSeason === data.lastSeason
        ? `Season ${data.firstSeason} went by without scores.`
        : `Seasons ${data.firstSeason} to ${data.lastSeason} went by without scores.`;
    case 'leader.changed':
      return data.userId === null || data.score === null
        ? 'Nobody leads any more.'
        : `${name(data.userId)} leads now, with ${scoreIn(data, data.score)}.`;
    case 'event.held':
      return `A score of ${name(data.userId)} waits for a decision: ${number(data.points)} points of ${plain(data.action)} (${data.eventId}).`;
    case 'user.banned':
      return `${name(data.userId)} was banned (${data.userId}).`;
    case 'webhook.test':
      return 'This is a test.';
  }
}

const seasonOf = ({ season, label }: { readonly season: number; readonly label: string | null }): string =>
  label === null ? `season ${season}` : `season ${season} (${plain(label)})`;

const number = (value: number): string => new Intl.NumberFormat('en').format(value);

/** Text that Discord shows as it is, without bold, links, mentions and the like. */
const plain = (text: string): string => text.replaceAll(/[\\*_~`|>#[\]()<:@-]/g, '\\$&');

const cut = (text: string, max: number): string =>
  text.length <= max ? text : `${text.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
