import { createHash } from 'node:crypto';
import { isTime } from '../../schemas/common.js';
import type { FAULT_CODES } from '../../schemas/import.js';
import { EXTERNAL_ID, MAX_EXTERNAL_ID } from '../../schemas/user.js';
import { displayName } from '../access/display-name.js';
import { fieldText } from '../csv.js';
import { Problem } from '../errors.js';
import { parseJson } from '../http/bodies.js';
import { checkMetadata } from '../scoring/metadata.js';
import type { Places } from './columns.js';

/** A row of a file that can be counted, as far as the file alone says. */
export interface ImportRow {
  readonly line: number;
  /** What stands in the ledger for the token, as it is stored: the same for the same row in any file for the board. */
  readonly key: string;
  readonly externalId: string;
  readonly displayName: string | null;
  readonly points: number;
  /** Null if the file does not say. */
  readonly achievedAt: string | null;
  /** As JSON. */
  readonly metadata: string | null;
}

/** Why a line does not count. */
export interface Fault {
  readonly line: number;
  readonly code: FaultCode;
  readonly message: string;
}
/** Of an import so many are kept, and the others counted. */
export const MAX_FAULTS = 100;
export type FaultCode = (typeof FAULT_CODES)[number];

const IS_EXTERNAL_ID = new RegExp(EXTERNAL_ID, 'u');
const INTEGER = /^[+-]?\d{1,40}$/;
const MAX_KEY = 128;
/** Times before it are none of a game's. */
const EARLIEST = Date.parse('1970-01-01T00:00:00Z');
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Refused extends Error {
  readonly code: FaultCode;
  constructor(code: FaultCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Bytes that were read as Latin-1, as the text that they are in UTF-8. */
export function textOf(latin1: string): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  if (/^[\x00-\x7f]*$/.test(latin1)) return latin1;
  try {
    return utf8.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return null;
  }
}

/** Reads the rows of one file. */
export class RowReader {
  readonly #board: string;
  readonly #places: Places;
  readonly #width: number;
  readonly #until: number;

  /** @param until no score can have been achieved later, in milliseconds since 1970 */
  constructor(board: string, places: Places, width: number, until: number) {
    this.#board = board;
    this.#places = places;
    this.#width = width;
    this.#until = until;
  }

  /** @param fields their bytes, as Latin-1 */
  read(line: number, fields: readonly string[]): ImportRow | Fault {
    try {
      return this.#row(line, fields);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { line, code: error.code, message: error.message };
    }
  }

  #row(line: number, fields: readonly string[]): ImportRow {
    if (fields.length !== this.#width)
      throw new Refused('wrong-columns', `has ${fields.length} columns instead of ${this.#width}`);
    const { externalId: of, displayName: named, score, achievedAt: at, metadata, key: keyed } = this.#places;
    const externalId = fieldText(field(fields, of));
    if (!IS_EXTERNAL_ID.test(externalId) || [...externalId].length > MAX_EXTERNAL_ID)
      throw new Refused(
        'external-id-invalid',
        `externalId must have 1 to ${MAX_EXTERNAL_ID} characters, and no control characters`,
      );
    const name = fieldText(field(fields, named));
    const points = pointsOf(field(fields, score));
    const achievedAt = this.#timeOf(field(fields, at));
    const key = field(fields, keyed);
    if (key.length > MAX_KEY)
      throw new Refused('key-invalid', `key must not have more than ${MAX_KEY} characters`);
    return {
      line,
      key: keyOfRow(
        this.#board,
        key === '' ? ['row', externalId, `${points}`, achievedAt ?? ''] : ['key', key],
      ),
      externalId,
      displayName: name === '' ? null : nameOf(name),
      points,
      achievedAt,
      metadata: metadataOf(field(fields, metadata)),
    };
  }

  #timeOf(text: string): string | null {
    if (text === '') return null;
    const time = isTime(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(time))
      throw new Refused(
        'time-invalid',
        'achievedAt must be a time as in RFC 3339, like 2026-06-11T19:09:00Z',
      );
    if (time < EARLIEST || time > this.#until)
      throw new Refused('time-invalid', 'achievedAt must not be in the future, nor before 1970');
    return new Date(time).toISOString();
  }
}

function field(fields: readonly string[], place: number | undefined): string {
  const text = place === undefined ? '' : textOf(fields[place] ?? '');
  if (text === null) throw new Refused('not-utf-8', 'is not UTF-8');
  return text;
}

function pointsOf(text: string): number {
  const trimmed = text.trim();
  if (!INTEGER.test(trimmed)) throw new Refused('score-invalid', 'score must be an integer');
  const points = Number(trimmed);
  if (!Number.isSafeInteger(points))
    throw new Refused('points-out-of-range', 'score must lie within ±(2^53 − 1)');
  // Not −0.
  return points + 0;
}

function nameOf(text: string): string {
  return orRefused('name-invalid', 'displayName', () => displayName(text));
}

function metadataOf(text: string): string | null {
  if (text === '') return null;
  const metadata = orRefused('metadata-invalid', 'metadata', () => {
    const value = parseJson(Buffer.from(text), {});
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Refused('metadata-invalid', 'metadata must be a JSON object');
    checkMetadata(value);
    return value;
  });
  return JSON.stringify(metadata);
}

function orRefused<T>(code: FaultCode, column: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const [first] = error.errors ?? [];
    throw new Refused(
      code,
      first === undefined ? `${column}: ${error.message}` : `${column} ${first.message}`,
    );
  }
}

/**
 * What stands for a row in `consumed_tokens`, beside the keys of game servers (src/scoring/idempotency-key.ts): these are of an
 * account, whose id has no space in it.
 */
function keyOfRow(board: string, parts: readonly string[]): string {
  const hash = createHash('sha256')
    .update(JSON.stringify(['import', board, ...parts]))
    .digest('hex');
  return `ff${hash.slice(2, 8)}-${hash.slice(8, 12)}-${hash.slice(12, 16)}-${hash.slice(16, 20)}-${hash.slice(20, 32)}`;
}
