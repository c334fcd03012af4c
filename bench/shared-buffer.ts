import { createServer, type Socket } from 'node:net';
import { answerUsage } from './usage.js';

/*
 * The lower bound of a fan-out: one Buffer, written to every open socket at an even rate. Each message `send` starts or
 * stops it.
 */
const [bytes = 0, timesPerSecond = 0] = process.argv.slice(2).map(Number);
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
/** Like the service, counts the interval from the first write of a round. */
const sendAfter = (ms: number) => {
  timer = setTimeout(() => {
    const start = performance.now();
    for (const socket of sockets) socket.write(frame);
    sendAfter(Math.max(0, 1000 / timesPerSecond - (performance.now() - start)));
  }, ms);
};
process.on('message', (message: unknown) => {
  if (message !== 'send') return;
  if (timer === undefined) {
    sendAfter(0);
  } else {
    clearTimeout(timer);
    timer = undefined;
  }
  process.send?.('done');
});
answerUsage();
process.on('disconnect', () => process.exit());
