import { setImmediate as turn } from 'node:timers/promises';
import { parse } from 'csv-parse';
import { errorCode } from '../error-code.js';
import { Problem } from '../errors.js';
import { type Places, placesOf } from './columns.js';
import { type Fault, type ImportRow, MAX_FAULTS, RowReader, textOf } from './import-row.js';

/** How much is read in one turn of the event loop: a few hundred rows, some milliseconds. */
const SLICE_BYTES = 16_384;
/** What one transaction takes of a file: so many rows, or about so much. */
const ROWS_A_BATCH = 10_000;
const BYTES_A_BATCH = 2 ** 20;
/** A row may not be longer: a quote that is never closed would take the rest of the file. */
const MAX_ROW_BYTES = 16_384;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** Where in a file somebody stands. */
export interface Place {
  readonly bytes: number;
  readonly lines: number;
  /** The names in its first row; null at its beginning. */
  readonly columns: readonly string[] | null;
}

/** Rows that follow each other in a file, and where they end. */
export interface Batch extends Place {
  readonly rows: readonly ImportRow[];
  readonly faulty: number;
  /** The first of them. */
  readonly faults: readonly Fault[];
}

interface Options {
  readonly board: string;
  /** No score can have been achieved later, in milliseconds since 1970. */
  readonly until: number;
  readonly from: Place;
}

/** Reads a CSV file as it arrives, from its beginning or from where an earlier reader has stopped. */
export class FileReader {
  readonly #from: Place;
  readonly #options: Options;
  #rows: RowReader | null = null;
  #columns: readonly string[] | null = null;
  #bytes: number;
  /** Where the last batch has ended. */
  #cutAt: number;
  #lines: number;
  #batch: ImportRow[] = [];
  #faulty = 0;
  #faults: Fault[] = [];
  /** What the callback of the parser has thrown. */
  #failure: unknown;
  /** Bytes before those that the parser counts. */
  #before: number;

  constructor(options: Options) {
    const { from } = options;
    this.#options = options;
    this.#from = from;
    this.#bytes = from.bytes;
    this.#cutAt = from.bytes;
    this.#before = from.bytes;
    this.#lines = from.lines;
    if (from.columns !== null) this.#begin(from.columns, placesOf(from.columns));
  }

  /**
   * @returns batches, of which the last one may be empty
   * @throws Problem `file-refused` if it is no CSV, or has other columns
   */
  async *read(chunks: AsyncIterable<Buffer>): AsyncGenerator<Batch, void> {
    const parser = parse({
      // Each field is decoded by itself, so that one that is not UTF-8 is a fault of its line.
      encoding: 'latin1',
      relax_column_count: true,
      skip_empty_lines: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      max_record_size: MAX_ROW_BYTES,
      on_record: (fields: string[], { lines, bytes }) => {
        this.#take(fields, lines, bytes);
        return null;
      },
    });
    // The callback of what was written has it too.
    parser.on('error', () => {});
    parser.resume();
    for await (const chunk of this.#withoutBom(chunks)) {
      for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
        await this.#orRefused((done) => parser.write(chunk.subarray(at, at + SLICE_BYTES), done));
        if (this.#isFull) yield this.#cut();
        await turn();
      }
    }
    await this.#orRefused((done) => parser.end(done));
    if (this.#columns === null) throw refused('The file is empty: its first line must name the columns.');
    yield this.#cut();
  }

  async *#withoutBom(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let head: Buffer | null = this.#from.bytes === 0 ? Buffer.alloc(0) : null;
    for await (const chunk of chunks) {
      if (head === null) {
        yield chunk;
        continue;
      }
      head = Buffer.concat([head, chunk]);
      if (head.length < BOM.length) continue;
      yield this.#bodyOf(head);
      head = null;
    }
    if (head !== null) yield this.#bodyOf(head);
  }

  #bodyOf(head: Buffer): Buffer {
    if (head.includes(0))
      throw refused('The file is not UTF-8, but perhaps UTF-16. Save it as CSV in UTF-8.');
    if (!head.subarray(0, BOM.length).equals(BOM)) return head;
    this.#before += BOM.length;
    return head.subarray(BOM.length);
  }

  /** Waits until the parser has taken something. @throws Problem `file-refused` */
  async #orRefused(give: (done: (error?: Error | null) => void) => unknown): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        give((error) => (error ? reject(error) : resolve()));
      });
    } catch (error) {
      if (this.#failure !== undefined) throw this.#failure;
      if (errorCode(error)?.startsWith('CSV_') !== true) throw error;
      throw refused(
        errorCode(error) === 'CSV_MAX_RECORD_SIZE'
          ? `The row behind line ${this.#lines} is longer than ${MAX_ROW_BYTES} bytes: a quote may not be closed.`
          : `The row behind line ${this.#lines} has a quote in the wrong place. Quotes in a text are doubled: "say ""hi""".`,
        error,
      );
    }
  }

  #take(fields: readonly string[], lines: number, bytes: number): void {
    try {
      this.#bytes = this.#before + bytes;
      this.#lines = this.#from.lines + lines;
      if (this.#rows === null) {
        const columns = fields.map((name) => textOf(name)?.trim() ?? '');
        this.#begin(columns, placesOf(columns));
        return;
      }
      const row = this.#rows.read(this.#lines, fields);
      if (!('code' in row)) this.#batch.push(row);
      else if (++this.#faulty <= MAX_FAULTS) this.#faults.push(row);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #begin(columns: readonly string[], places: Places): void {
    const { board, until } = this.#options;
    this.#columns = columns;
    this.#rows = new RowReader(board, places, columns.length, until);
  }

  get #isFull(): boolean {
    return this.#batch.length + this.#faulty >= ROWS_A_BATCH || this.#bytes - this.#cutAt >= BYTES_A_BATCH;
  }

  #cut(): Batch {
    this.#cutAt = this.#bytes;
    const batch = {
      rows: this.#batch,
      faulty: this.#faulty,
      faults: this.#faults,
      bytes: this.#bytes,
      lines: this.#lines,
      columns: this.#columns,
    };
    this.#batch = [];
    this.#faulty = 0;
    this.#faults = [];
    return batch;
  }
}

const refused = (detail: string, cause?: unknown) => new Problem('file-refused', detail, { cause });
