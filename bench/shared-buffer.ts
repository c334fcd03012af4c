import { createServer, type Socket } from 'node:net';
import { answerUsage } from './usage.js';

/*
 * What no fan-out can beat by much: one Buffer, written to every socket that is open, so many times a second. Each message
 * `send` begins or ends it.
 */
const [bytes = 0, timesASecond = 0] = process.argv.slice(2).map(Number);
const frame = Buffer.from(`${'x'.repeat(bytes - 2)}\n\n`);
const sockets = new Set<Socket>();

const server = createServer((socket) => {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket)).on('error', () => {});
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.(address !== null && typeof address === 'object' ? address.port : 0);
});

let timer: NodeJS.Timeout | undefined;
const rest = () => {
  timer = setTimeout(() => {
    for (const socket of sockets) socket.write(frame);
    rest();
  }, 1000 / timesASecond);
};
process.on('message', (asked: unknown) => {
  if (asked !== 'send') return;
  if (timer === undefined) {
    rest();
  } else {
    clearTimeout(timer);
    timer = undefined;
  }
  process.send?.('done');
});
answerUsage();
process.on('disconnect', () => process.exit());
