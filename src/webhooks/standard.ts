import type { SentEvent } from '../../schemas/webhook.js';
import type { Format, Message, Names } from './message.js';
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

function bodyOf(message: Message, { users }: Names): SentEvent {
  const displayName = (userId: string | null) => (userId === null ? null : (users.get(userId) ?? null));
  const { type, at: timestamp } = message;
  if (type === 'leader.changed') {
    const { data } = message;
    return { type, timestamp, data: { ...data, displayName: displayName(data.userId) } };
  }
  if (type === 'season.final') {
    const { data } = message;
    const top = data.top.map((place) => ({ ...place, displayName: displayName(place.userId) }));
    return { type, timestamp, data: { ...data, top } };
  }
  const { id: _, at, ...event } = message;
  return { ...event, timestamp };
}
