import { call } from '../data/api.js';
import { session } from '../data/session.js';
import type { AdminEvent } from '../data/types.js';
import { number } from '../format.js';
import type { Act } from '../parts/act-dialog.js';
import { texts } from '../texts.js';
import { undoAct } from './acts.js';
import { banNow, type Named } from './players.js';

const t = texts.acts;

/** A score event, and the name of its player. */
export interface NamedEvent extends AdminEvent {
  readonly displayName: string;
}

/** What was done about an object last, and who did it. */
const lastAct = async (target: string) => {
  const { items } = await call((http, signal) =>
    http.GET('/v1/admin/audit', { params: { query: { target, limit: 1 } }, signal }),
  );
  return items[0];
};

const judge = (event: AdminEvent, status: 'counted' | 'voided', reason: string) =>
  call((http, signal) => {
    const options = { params: { path: { id: event.eventId } }, body: { reason }, signal };
    return status === 'voided'
      ? http.POST('/v1/admin/events/{id}/void', options)
      : http.POST('/v1/admin/events/{id}/release', options);
  });

/** Judges an event. If somebody else was faster, nothing is done twice, and that is said. */
async function judged(event: NamedEvent, status: 'counted' | 'voided', reason: string, said: string) {
  await judge(event, status, reason);
  const last = await lastAct(event.eventId);
  if (last && last.actor !== session.current?.id)
    return { said: texts.held.already(texts.statuses[status], last.actorName ?? last.actor) };
  return { said, undo: last && (() => undoAct(last.id, texts.undo)) };
}

const pointsOf = ({ points }: AdminEvent): string => number(points);
const playerOf = ({ userId, displayName }: NamedEvent): Named => ({ id: userId, displayName });

export const release = (event: NamedEvent): Act => ({
  kind: 'release',
  title: t.release.title(pointsOf(event), event.displayName),
  explanation: t.release.text,
  confirm: t.release.confirm,
  reasons: t.reasons.real,
  run: ({ reason = '' }) =>
    judged(event, 'counted', reason, t.release.done(pointsOf(event), event.displayName)),
});

export const voidEvent = (event: NamedEvent): Act => ({
  kind: 'void',
  title: t.void.title(pointsOf(event), event.displayName),
  explanation: t.void.text,
  confirm: t.void.confirm,
  isDangerous: true,
  reasons: t.reasons.cheat,
  run: ({ reason = '' }) => judged(event, 'voided', reason, t.void.done(pointsOf(event), event.displayName)),
});

export const voidAndBan = (event: NamedEvent): Act => ({
  kind: 'ban',
  title: t.voidAndBan.title(pointsOf(event), event.displayName),
  explanation: t.voidAndBan.text,
  confirm: t.voidAndBan.confirm,
  isDangerous: true,
  reasons: t.reasons.cheat,
  run: async ({ reason = '' }) => {
    // Both may be done again if the second fails.
    await judge(event, 'voided', reason);
    return banNow(playerOf(event), reason);
  },
});
