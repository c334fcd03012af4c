import { call } from '../data/api.js';

/** Takes back what one act has changed. */
export const undoAct = (id: string, reason: string) =>
  call((http, signal) =>
    http.POST('/v1/admin/acts/{id}/undo', { params: { path: { id } }, body: { reason }, signal }),
  );
