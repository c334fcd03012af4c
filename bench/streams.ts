import { connect } from 'node:net';

/**
 * Open live streams, and what they have received. Frames are counted by their ends, not parsed: thousands of parsers would
 * cost more than the fan-out that is measured.
 */
export class Streams {
  /** Frames received, by all streams together. */
  frames = 0;
  bytes = 0;

  /** @param request empty for a server that sends without a request */
  async open(port: number, count: number, request: string): Promise<void> {
    for (let opened = 0; opened < count; opened += 500) {
      await Promise.all(
        Array.from({ length: Math.min(500, count - opened) }, () => this.#open(port, request)),
      );
    }
  }

  #open(port: number, request: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.once('error', reject);
      // Every frame ends in an empty line, which may be split over two chunks.
      let lastByte = 0;
      socket.on('data', (chunk: Buffer) => {
        this.bytes += chunk.length;
        this.frames += countEnds(chunk, lastByte);
        lastByte = chunk[chunk.length - 1] ?? 0;
        resolve();
      });
      if (request === '') socket.once('connect', () => resolve());
      else socket.write(request);
    });
  }
}

const NEW_LINE = 10;

/** The number of empty lines in a chunk; the first may have begun in the last byte of the previous chunk. */
function countEnds(chunk: Buffer, lastByte: number): number {
  let ends = lastByte === NEW_LINE && chunk[0] === NEW_LINE ? 1 : 0;
  for (let at = chunk.indexOf('\n\n'); at >= 0; at = chunk.indexOf('\n\n', at + 2)) ends++;
  return ends;
}

export const streamRequest = (limit: number): string =>
  `GET /v1/leaderboards/global/stream?limit=${limit} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n`;
