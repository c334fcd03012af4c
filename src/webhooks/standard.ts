import type { Format, Message, Names } from './message.js';
import { pauseMs } from './tries.js';

/** Events as they are, by Standard Webhooks 1.0.0. */
export const standard: Format = {
  userAgent: 'scoreboard-api',
  atATime: 8,
  urlOf: (url) => url,
  bodyOf: (message, names) => ({
    type: message.type,
    timestamp: message.at,
    data: withNames(message, names),
  }),
  isGone: ({ status }) => status === 410,
  pauseMs,
};

/** The data of a message, with the names of those whom receivers will want to show. */
function withNames(message: Message, { users }: Names): unknown {
  const displayName = (userId: string | null) => (userId === null ? null : (users.get(userId) ?? null));
  if (message.type === 'leader.changed')
    return { ...message.data, displayName: displayName(message.data.userId) };
  if (message.type === 'season.final') {
    const top = message.data.top.map((place) => ({ ...place, displayName: displayName(place.userId) }));
    return { ...message.data, top };
  }
  return message.data;
}
