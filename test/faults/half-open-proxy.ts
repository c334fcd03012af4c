import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/** A proxy that can drop all bytes without closing connections, like a NAT that has lost its state. */
export class HalfOpenProxy {
  dropsBytes = false;
  readonly port: number;

  private constructor(port: number) {
    this.port = port;
  }

  static async open(t: Test, target: number): Promise<HalfOpenProxy> {
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(from);
        from.on('data', (chunk) => {
          if (!proxy.dropsBytes) to.write(chunk);
        });
        from.on('error', () => {});
        from.on('close', () => {
          sockets.delete(from);
          to.destroy();
        });
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy does not listen');
    const proxy = new HalfOpenProxy(address.port);
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return proxy;
  }
}
