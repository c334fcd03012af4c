import { call } from '../data/api.js';
import { session } from '../data/session.js';
import type { AuditEntry } from '../data/types.js';
import { texts } from '../texts.js';

/** Takes back what one act has changed. */
export const undoAct = (id: string, reason: string) =>
  call((http, signal) =>
    http.POST('/v1/admin/acts/{id}/undo', { params: { path: { id } }, body: { reason }, signal }),
  );

/** Takes back what this person did last of this kind to an object, so that it is as it was before, and the audit names both acts. */
export async function undoOwn(target: string, action: AuditEntry['action']): Promise<void> {
  const actor = session.current?.id;
  const query = { target, action, ...(actor && { actor }), limit: 1 };
  const { items } = await call((http, signal) => http.GET('/v1/admin/audit', { params: { query }, signal }));
  if (items[0]) await undoAct(items[0].id, texts.undo);
}
