import type { FastifyReply } from 'fastify';

/** Says that the answer depends on a header of the request, beside those that the answer already names. */
export function vary(reply: FastifyReply, header: string): void {
  const known = reply.getHeader('vary');
  if (known === undefined) reply.header('vary', header);
  else if (!String(known).split(', ').includes(header)) reply.header('vary', `${known}, ${header}`);
}
