import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { withDeadline } from '../deadline.js';
import { Problem } from '../errors.js';
import { assertPlainUtf8 } from './bodies.js';

/** How long nothing of a file may arrive, in milliseconds. */
const SILENCE_MS = 30_000;
const LATE = 'Nothing of the body has arrived for 30 s.';

/** Connections on which a file arrives: that may take as long as it goes on. */
const sending = new WeakSet<Socket>();
export const sendsFile = (socket: Socket): boolean => sending.has(socket);

/**
 * The body of a request as it arrives, without a limit to its length or its time.
 * @throws Problem `unsupported-media-type`, at once; then `validation-failed` if it stops arriving, or Error if the connection is lost
 */
export function fileOf(request: IncomingMessage): AsyncGenerator<Buffer, void> {
  assertPlainUtf8(request.headers);
  return arriving(request);
}

async function* arriving(request: IncomingMessage): AsyncGenerator<Buffer, void> {
  const { socket } = request;
  sending.add(socket);
  const chunks: AsyncIterator<Buffer> = request[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await withDeadline(chunks.next(), SILENCE_MS, LATE).catch((cause: unknown) => {
        if (cause instanceof Error && cause.message === LATE)
          throw new Problem('validation-failed', LATE, { cause });
        throw cause;
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    sending.delete(socket);
  }
}
