import type { SentEvent } from '../../schemas/webhook.js';
import { type Format, formattedIn, type Message, type Names, sharedRanks } from './message.js';
import { pauseMs } from './tries.js';

/** Events as they are, by Standard Webhooks 1.0.0. */
export const standard: Format = {
  userAgent: 'scoreboard-api',
  atATime: 8,
  urlOf: (url) => url,
  bodyOf,
  isGone: ({ status }) => status === 410,
  pauseMs,
};

function bodyOf(message: Message, names: Names): SentEvent {
  const displayName = (userId: string | null) => (userId === null ? null : (names.users.get(userId) ?? null));
  const { type, at: timestamp } = message;
  if (type === 'leader.changed') {
    const { data } = message;
    const formatted = data.score === null ? undefined : formattedIn(names, data, data.score);
    return {
      type,
      timestamp,
      data: { ...data, ...(formatted && { formatted }), displayName: displayName(data.userId) },
    };
  }
  if (type === 'season.final') {
    const { data } = message;
    const top = sharedRanks(data.top).map((place) => {
      const formatted = formattedIn(names, data, place.score);
      return { ...place, ...(formatted && { formatted }), displayName: displayName(place.userId) };
    });
    return { type, timestamp, data: { ...data, top } };
  }
  const { id: _, at, ...event } = message;
  return { ...event, timestamp };
}
