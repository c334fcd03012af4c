import type { Unit } from '../../schemas/unit.js';
import type { WebhookEvent } from '../../schemas/webhook.js';
import { scoreFormat } from '../score-format.js';
import type { Answer } from './post.js';

/** An event that is to be sent. */
export type Message = WebhookEvent & {
  /** `msg_…` */
  readonly id: string;
  /** When it happened, as the API writes it. */
  readonly at: string;
};

/** What messages name by ids: read when they are sent, since names change and are erased. */
export interface Names {
  readonly users: ReadonlyMap<string, string>;
  readonly leaderboards: ReadonlyMap<string, string>;
  /** What the scores of seasons are, by `seasonIn`; those of plain numbers are left out. */
  readonly units: ReadonlyMap<string, Unit>;
}

interface InSeason {
  readonly leaderboard: string;
  readonly season: number;
}

const seasonIn = ({ leaderboard, season }: InSeason): string => `${leaderboard} ${season}`;

/** The score as people write it, in English; undefined if it is a plain number. */
export function formattedIn({ units }: Names, season: InSeason, score: number): string | undefined {
  const unit = units.get(seasonIn(season));
  return unit && scoreFormat(unit, 'en')(score);
}

/** Places from the first on, with the rank that equal scores share. */
export function sharedRanks<P extends { readonly score: number }>(
  places: readonly P[],
): (P & { readonly sharedRank: number })[] {
  return places.map((place) => {
    const sharedRank = places.findIndex(({ score }) => score === place.score) + 1;
    return { ...place, sharedRank };
  });
}

/** How receivers of one kind are talked to. */
export interface Format {
  readonly userAgent: string;
  /** How many messages are on their way at a time. */
  readonly atATime: number;
  urlOf(url: URL): URL;
  bodyOf(message: Message, names: Names): unknown;
  /** Whether the receiver does not exist any more. */
  isGone(answer: Answer): boolean;
  /** How long the receiver wants to be left alone, in milliseconds. */
  pauseMs(answer: Answer): number;
}

/** The ids of the users whom these messages name. */
export const usersOf = (messages: readonly WebhookEvent[]): string[] =>
  messages.flatMap(({ type, data }) => {
    if (type === 'season.final') return data.top.map(({ userId }) => userId);
    return 'userId' in data && data.userId !== null ? [data.userId] : [];
  });

/** The seasons whose scores these messages name. */
export const seasonsOf = (messages: readonly WebhookEvent[]): InSeason[] =>
  messages.flatMap(({ type, data }) => (type === 'season.final' || type === 'leader.changed' ? [data] : []));

/** The ids of the leaderboards that these messages name. */
export const leaderboardsOf = (messages: readonly WebhookEvent[]): string[] =>
  messages.flatMap(({ data }) => ('leaderboard' in data ? [data.leaderboard] : []));
