import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { Problem, problemDocument } from '../errors.js';
import { sendsFile } from './file-bodies.js';

const REASONS: Record<string, string> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'The request arrived too slowly.',
  HPE_HEADER_OVERFLOW: 'The URL and the headers are too long.',
};

const refused = new WeakSet<Socket>();

/**
 * Answers what is not HTTP, for which there is no request that a plugin could answer.
 * @param lingerMs how long the client may take to read the answer
 */
export const refuseGarbage = (lingerMs: number) => (error: Error & { code?: string }, socket: Socket) => {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && sendsFile(socket)) return;
  // Node reports each further piece of garbage on the same connection too.
  if (error.code === 'ECONNRESET' || socket.destroyed || refused.has(socket)) return;
  // Browsers connect ahead of their requests. An answer would be taken for that of a request which is just being sent; without
  // one, browsers send it again.
  if (socket.bytesRead === 0) {
    socket.destroy();
    return;
  }
  refused.add(socket);
  const problem = new Problem('validation-failed', REASONS[error.code ?? ''] ?? 'This is not HTTP/1.1.');
  const requestId = randomUUID();
  const body = JSON.stringify(problemDocument(problem, '/', requestId));
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  // A client that keeps its side open would otherwise keep the connection without end,
  socket.destroySoon();
  // and so would one that does not read the answer.
  setTimeout(() => socket.destroy(), lingerMs).unref();
};
