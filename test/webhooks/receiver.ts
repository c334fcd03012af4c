import { once } from 'node:events';
import {
  createServer as createHttp,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Webhook } from 'standardwebhooks';
import type { Test } from 'tap';

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** How the next requests are answered, and all that follow as the last one: a status, or anything else. */
  answers: (number | RequestListener)[];
}

/** A receiver of webhooks on this machine. */
export function startReceiver(t: Test, ...answers: Receiver['answers']): Promise<Receiver> {
  return start(t, createHttp, 'http://127.0.0.1', answers);
}

/** The same by HTTPS, as `localhost`. @param pem a certificate and its key */
export function startHttpsReceiver(t: Test, pem: string, ...answers: Receiver['answers']): Promise<Receiver> {
  return start(t, (listener) => createHttps({ cert: pem, key: pem }, listener), 'https://localhost', answers);
}

async function start(
  t: Test,
  create: (listener: RequestListener) => Server,
  origin: string,
  answers: Receiver['answers'],
): Promise<Receiver> {
  const received: Received[] = [];
  const server = create(async (request, response) => {
    const body = await text(request);
    received.push({ headers: request.headers, path: request.url ?? '', body });
    const [answer = 204] = receiver.answers;
    if (receiver.answers.length > 1) receiver.answers.shift();
    if (typeof answer === 'function') answer(request, response);
    else response.writeHead(answer).end();
  });
  const receiver: Receiver = { url: `${origin}:${await listen(t, server)}`, received, answers };
  return receiver;
}

/** @returns the port */
async function listen(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return portOf(server);
}

/** Something that is no HTTP server. @param onConnect what it does with a connection */
export async function startSocket(t: Test, onConnect: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnect(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${portOf(server)}`;
}

const ServerAddress = Type.Object({ port: Type.Integer() });
const portOf = (server: { address(): AddressInfo | string | null }): number =>
  Value.Parse(ServerAddress, server.address()).port;

/** What a receiver reads that knows the secret. @throws Error if the signature is none of it */
export const verified = (secret: string, { headers, body }: Received): unknown =>
  new Webhook(secret).verify(
    body,
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
  );
