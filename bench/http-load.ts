import { connect, type Socket } from 'node:net';

/** The result of a run. Only right answers have latencies. */
export interface LoadResult {
  readonly right: number;
  readonly wrong: number;
  readonly seconds: number;
  /** From the time when a request was due to its answer, in milliseconds, ascending. */
  readonly latencies: number[];
}

export interface Load {
  readonly port: number;
  /** Of further instances of the same service: connections are spread over all. */
  readonly otherPorts?: readonly number[];
  readonly connections: number;
  /** The next request; undefined ends the run. */
  next(): Buffer | undefined;
  isRight(answer: string): boolean;
  /** The longest duration of the run. */
  readonly seconds: number;
  /** Requests per second, evenly spaced; by default each connection sends as fast as it gets answers. */
  readonly rate?: number | undefined;
}

/**
 * Sends requests over keep-alive connections, one at a time on each.
 *
 * Bare sockets rather than the SDK: they take 10 µs of processor time for a request, the SDK with fetch() 300 µs. That is more
 * than the server takes, so the client would be the bottleneck of what is measured.
 */
export async function httpLoad(load: Load): Promise<LoadResult> {
  const { port, otherPorts = [], connections, rate, seconds } = load;
  const ports = [port, ...otherPorts];
  const latencies: number[] = [];
  let wrong = 0;
  let sent = 0;
  const sockets = await Promise.all(
    Array.from({ length: connections }, (_, n) => open(ports[n % ports.length] ?? port)),
  );
  const start = performance.now();
  const end = start + seconds * 1000;
  let last = start;

  /** When the next request is due. Late answers do not delay the schedule, or a slow server would look fast. */
  const due = (): number => (rate === undefined ? performance.now() : start + (sent / rate) * 1000);

  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve, reject) => {
          let dueAt = 0;
          let received = '';
          const send = (): void => {
            dueAt = due();
            const request = dueAt < end ? load.next() : undefined;
            if (request === undefined) {
              socket.end();
              resolve();
              return;
            }
            sent++;
            const wait = dueAt - performance.now();
            if (wait > 1) setTimeout(() => socket.write(request), wait);
            else socket.write(request);
          };
          socket.on('error', reject);
          socket.on('data', (chunk: string) => {
            received += chunk;
            const answer = wholeAnswer(received);
            if (answer === undefined) return;
            received = '';
            last = performance.now();
            if (load.isRight(answer)) latencies.push(last - dueAt);
            else if (++wrong === 1) console.error(`A wrong answer: ${answer.slice(0, 2_000)}`);
            send();
          });
          send();
        }),
    ),
  );
  return {
    right: latencies.length,
    wrong,
    seconds: (last - start) / 1000,
    latencies: latencies.sort((a, b) => a - b),
  };
}

function wholeAnswer(received: string): string | undefined {
  const head = received.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const field = received.toLowerCase().lastIndexOf('content-length: ', head);
  const length = field < 0 ? 0 : Number.parseInt(received.slice(field + 16, field + 24), 10);
  return received.length >= head + 4 + length ? received : undefined;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket));
    socket.setEncoding('latin1');
    socket.once('error', reject);
  });
}
