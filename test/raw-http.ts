import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Answer } from './api.js';

/** A connection on which anything may be said, HTTP or not. */
export async function openSocket(url: string): Promise<Socket> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  return socket;
}

/** Says the rest, and reads the answer up to the end of the connection. */
export async function finish(socket: Socket, text: string): Promise<Answer> {
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    received += chunk;
  });
  socket.write(text);
  await once(socket, 'close');
  const [head = '', body = ''] = received.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line): [string, string] => [
    line.slice(0, line.indexOf(':')),
    line.slice(line.indexOf(':') + 1),
  ]);
  const status = Number(first.split(' ')[1]);
  return new Answer(
    JSON.stringify(text.slice(0, 60)),
    new Response(null, { status, headers }),
    JSON.parse(body),
  );
}

export const exchange = async (url: string, text: string): Promise<Answer> =>
  finish(await openSocket(url), text);
