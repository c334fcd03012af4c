import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Reads that are begun in one turn of the event loop: some two milliseconds. */
const READS_A_TURN = 16;
/** The same while clients connect. */
const READS_BESIDE_CONNECTIONS = 4;
/** Reads beyond these begin at once, so that a client that sends without waiting for answers fills no queue. */
const MAX_WAITING = 4_096;

/**
 * Keeps the turns of the event loop short while many clients read at once. A turn would have a read of each of them, and
 * everything else takes several turns: a score four, and libuv accepts one new connection in each. So reads take turns, in
 * their order, and all other requests begin at once.
 */
export function spreadReads(server: Server): void {
  const listeners = server.listeners('request');
  const begin = (request: IncomingMessage, response: ServerResponse) => {
    for (const listener of listeners) listener.call(server, request, response);
  };
  const waiting: (() => void)[] = [];
  /** In this turn. */
  let begun = 0;
  let hasConnected = false;
  let mostReads = READS_A_TURN;
  let isScheduled = false;

  const endTurn = () => {
    const next = waiting.splice(0, Math.max(mostReads - begun, 0));
    begun = 0;
    mostReads = hasConnected ? READS_BESIDE_CONNECTIONS : READS_A_TURN;
    hasConnected = false;
    isScheduled = waiting.length > 0;
    if (isScheduled) setImmediate(endTurn);
    for (const read of next) read();
  };

  server.on('connection', () => {
    hasConnected = true;
    mostReads = READS_BESIDE_CONNECTIONS;
  });
  server.removeAllListeners('request');
  server.on('request', (request, response) => {
    if (!isRead(request) || waiting.length >= MAX_WAITING) {
      begin(request, response);
      return;
    }
    if (!isScheduled) setImmediate(endTurn);
    isScheduled = true;
    if (waiting.length > 0 || begun >= mostReads) {
      waiting.push(() => {
        // A client that has left is not waiting for an answer any more.
        if (!request.socket.destroyed) begin(request, response);
      });
    } else {
      begun++;
      begin(request, response);
    }
  });
}

/** Probes of the service are not among them. */
const isRead = ({ method, url }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD') && url?.startsWith('/v1/') === true;
