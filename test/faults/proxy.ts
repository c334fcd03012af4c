import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/**
 * What happens to the next batch of scores on its way to PostgreSQL:
 * - *cut before*: the connection breaks before the statement arrives
 * - *cut after*: the statement is carried out and committed, and the connection breaks before the answer
 * - *silence*: the statement is carried out, and no byte ever comes back on this connection, nor does it break
 */
export type Fault = 'cut before' | 'cut after' | 'silence';

/** The name of the prepared statement that records a batch; it is in the Bind message of each. */
const STATEMENT = 'record-batch';
/** What ends the transaction of a batch that has limits. */
export const COMMIT = 'COMMIT';

/** A way to PostgreSQL that can break, and whose other end can be moved. */
export class PostgresProxy {
  /** Faults to come: each befalls one batch. */
  readonly faults: Fault[] = [];
  /** The port of PostgreSQL now; null refuses connections. */
  target: number | null;
  readonly port: number;
  readonly #sockets: Set<Socket>;
  #frozen = false;
  /** What is in the message that a fault befalls. */
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

  /** The URL of a database, by way of this proxy. */
  via(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${this.port}`;
    return url.href;
  }

  /** Breaks all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on nothing gets through, and nothing says so. */
  freeze(): void {
    this.#frozen = true;
  }

  /** What has lost bytes is of no use any more. */
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
    let swallowed = Buffer.alloc(0);
    client.on('data', (chunk) => {
      if (this.#frozen) return;
      if (fault === undefined && chunk.includes(this.#message)) fault = this.faults.shift();
      if (fault === 'cut before') return cut();
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (this.#frozen) return;
      if (fault === undefined) return void client.write(chunk);
      swallowed = Buffer.concat([swallowed, chunk]);
      if (fault === 'cut after' && isReady(swallowed)) cut();
    });
  }
}

/** Whether the server has said ReadyForQuery ('Z'): the statement before is committed. */
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
