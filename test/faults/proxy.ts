import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/**
 * What happens to the next batch of scores between the service and PostgreSQL:
 * - *cut before*: the connection closes before the statement arrives
 * - *cut after*: the statement is executed and committed, and the connection closes before the response
 * - *silence*: the statement is executed, but this connection never returns another byte and stays open
 */
export type Fault = 'cut before' | 'cut after' | 'silence';

/** The name of the prepared statement that records a batch; every Bind message contains it. */
const STATEMENT = 'record-batch';
/** Ends the transaction of a guarded batch. */
export const COMMIT = 'COMMIT';

/** A proxy before PostgreSQL with faults, whose target can change. */
export class PostgresProxy {
  /** Faults to come, one per batch. */
  readonly faults: Fault[] = [];
  /** The current port of PostgreSQL; null refuses connections. */
  target: number | null;
  readonly port: number;
  readonly #sockets: Set<Socket>;
  /** Answers LISTEN like a pooler in transaction mode: without an error, and without doing it for this client. */
  swallowsListen = false;
  #frozen = false;
  /** A text in the messages that faults apply to. */
  readonly #message: string;

  private constructor(target: number, port: number, sockets: Set<Socket>, message: string) {
    this.target = target;
    this.port = port;
    this.#sockets = sockets;
    this.#message = message;
  }

  static async open(t: Test, target: number, message = STATEMENT): Promise<PostgresProxy> {
    const sockets = new Set<Socket>();
    const server = createServer((client) => proxy.#join(client));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = addressOf(server.address());
    const proxy = new PostgresProxy(target, port, sockets, message);
    t.teardown(() => {
      proxy.cut();
      server.close();
    });
    return proxy;
  }

  /** The URL of a database through this proxy. */
  via(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${this.port}`;
    return url.href;
  }

  /** Closes all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Drops all bytes from now on, but keeps the connections open. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Passes bytes again, on new connections: the open ones have lost bytes. */
  thaw(): void {
    this.#frozen = false;
    this.cut();
  }

  #join(client: Socket): void {
    if (this.target === null) return void client.destroy();
    const server = connect(this.target, '127.0.0.1');
    const both = [client, server];
    const cut = () => both.forEach((socket) => void socket.destroy());
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on('error', cut);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    let fault: Fault | undefined;
    let withheld = Buffer.alloc(0);
    client.on('data', (chunk) => {
      if (this.#frozen) return;
      if (fault === undefined && chunk.includes(this.#message)) fault = this.faults.shift();
      if (fault === 'cut before') return cut();
      // The rest of the line becomes a comment, which PostgreSQL takes for an empty query.
      server.write(
        this.swallowsListen ? chunk.toString('latin1').replace('LISTEN', '--STEN') : chunk,
        'latin1',
      );
    });
    server.on('data', (chunk) => {
      if (this.#frozen) return;
      if (fault === undefined) return void client.write(chunk);
      withheld = Buffer.concat([withheld, chunk]);
      if (fault === 'cut after' && isReady(withheld)) cut();
    });
  }
}

/** Whether the server has sent ReadyForQuery ('Z'), so that the statement before it is committed. */
function isReady(messages: Buffer): boolean {
  for (let at = 0; at + 5 <= messages.length; at += 1 + messages.readInt32BE(at + 1)) {
    if (messages[at] === 'Z'.charCodeAt(0)) return true;
  }
  return false;
}

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('The proxy does not listen');
  return address;
}
