import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { errorCode } from '../error-code.js';
import { pages } from '../postgres/cursor.js';
import type { Queryable } from '../postgres/database.js';
import { rfc3339 } from '../postgres/sql.js';
import { StartError } from '../start-error.js';
import { withIds } from '../stored-ids.js';
import { idsOf, type Month } from './old-events.js';

const EVENTS_FILE = 'events.ndjson.gz';
const MANIFEST = 'manifest.json';

const EventOrNull = Type.Union([Type.String(), Type.Null()]);
const Contents = {
  /** How many lines there are, one an event, in the order of their ids. */
  events: Type.Integer(),
  first: EventOrNull,
  last: EventOrNull,
};
/** What is in an archive of a month. It is written last: where there is none, the archive is not whole. */
const Manifest = Type.Object({
  format: Type.Literal('scoreboard-events'),
  version: Type.Literal(1),
  month: Type.String(),
  ...Contents,
  file: Type.Literal(EVENTS_FILE),
  /** Of the file as it is, compressed: `sha256sum` says the same. */
  sha256: Type.String(),
});
export type Manifest = Static<typeof Manifest>;
type Contents = Pick<Manifest, 'events' | 'first' | 'last'>;

const EVENTS = `
SELECT id AS "eventId", user_id AS "userId", token_id AS "tokenId", issued_by AS "issuedBy", signing_key AS "signingKey",
       action_id AS action, points, ${rfc3339('accepted_at')} AS "acceptedAt", ${rfc3339('achieved_at')} AS "achievedAt", imported_by AS "importId", status, best, boards, skipped,
       held_because AS "heldBecause", hold_ended_by AS "holdEndedBy", voided_by AS "voidedBy", metadata::text AS metadata
FROM score_events WHERE id >= $1 AND id < $2 ORDER BY id`;

interface Line {
  readonly eventId: string;
  readonly userId: string;
  readonly tokenId: string;
  readonly issuedBy: string | null;
  readonly holdEndedBy: string | null;
  readonly voidedBy: string | null;
  readonly importId: string | null;
  readonly metadata: string | null;
}

/** Metadata is copied, not read: a number in it may be one that JavaScript would round. Only between its values it can have line ends. */
function lineOf({ metadata, ...event }: Line): string {
  const isOfPlayer = event.issuedBy === event.userId;
  const [named] = withIds([event], {
    eventId: 'evt',
    userId: 'usr',
    tokenId: 'tok',
    issuedBy: 'svc',
    holdEndedBy: 'aud',
    voidedBy: 'aud',
    importId: 'imp',
  });
  const text = JSON.stringify({ ...named, ...(isOfPlayer && { issuedBy: 'player' }) });
  return `${text.slice(0, -1)},"metadata":${metadata?.replaceAll(/[\r\n]+/g, ' ') ?? null}}\n`;
}

/** What the archive of a month says that it has; null if it is not whole, or there is none. @throws StartError if it is none of ours */
export async function readManifest(folder: string): Promise<Manifest | null> {
  const path = join(folder, MANIFEST);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return Value.Parse(Manifest, JSON.parse(text));
  } catch (cause) {
    throw new StartError(`${path} is no manifest of this version.`, { cause });
  }
}

/** What the ledger has of a month. */
export async function contentsOf(client: Queryable, month: Month): Promise<Contents> {
  const ids = idsOf(month);
  const { rows } = await client.query<Contents>(
    `SELECT count(*) AS events, (SELECT id FROM score_events WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1) AS first,
            (SELECT id FROM score_events WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT 1) AS last
     FROM score_events WHERE id >= $1 AND id < $2`,
    ids,
  );
  const [contents = { events: 0, first: null, last: null }] = withIds(rows, { first: 'evt', last: 'evt' });
  return contents;
}

export const isSame = (a: Contents, b: Contents): boolean =>
  a.events === b.events && a.first === b.first && a.last === b.last;

/**
 * Writes the archive of a month that is closed, and reads it back. A page of events is in memory at a time.
 * @returns how many events are in it
 * @throws StartError if what is read is not what was written
 */
export async function writeArchive(client: Queryable, month: Month, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, EVENTS_FILE);
  const written = createHash('sha256');
  async function* lines() {
    for await (const page of pages<Line>(client, 'archived', EVENTS, idsOf(month))) {
      const text = page.map(lineOf).join('');
      written.update(text);
      yield text;
    }
  }
  await client.query('BEGIN');
  const contents = await contentsOf(client, month);
  await pipeline(lines, createGzip(), createWriteStream(`${path}.partial`, { flush: true }));
  await client.query('COMMIT');
  const read = await readBack(`${path}.partial`);
  if (read.content !== written.digest('hex') || !isSame(read, contents))
    throw new StartError(`What is read from ${path}.partial is not what was written there.`);
  await rename(`${path}.partial`, path);
  const { events, first, last, sha256 } = read;
  await writeManifest(folder, {
    format: 'scoreboard-events',
    version: 1,
    month: month.name,
    events,
    first,
    last,
    file: EVENTS_FILE,
    sha256,
  });
  return events;
}

async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, MANIFEST);
  const file = await open(`${path}.partial`, 'w');
  await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
  await file.sync();
  await file.close();
  // The name of the events must be on disk before that of the manifest.
  await syncFolder(folder);
  await rename(`${path}.partial`, path);
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync();
  await handle.close();
}

/** Reads a file of events to its end. @throws StartError if it is damaged */
async function readBack(path: string): Promise<Contents & { sha256: string; content: string }> {
  const sha256 = createHash('sha256');
  const content = createHash('sha256');
  const file = createReadStream(path);
  file.on('data', (chunk) => sha256.update(chunk));
  const gunzip = createGunzip().setEncoding('utf8');
  const copied = pipeline(file, gunzip);
  const contents: { events: number; first: string | null; last: string | null } = {
    events: 0,
    first: null,
    last: null,
  };
  let last = '';
  try {
    for await (const line of linesOf(gunzip)) {
      content.update(`${line}\n`);
      contents.first ??= idOf(line);
      contents.events++;
      last = line;
    }
    await copied;
  } catch (cause) {
    throw new StartError(`${path} is damaged.`, { cause });
  }
  if (last !== '') contents.last = idOf(last);
  return { ...contents, sha256: sha256.digest('hex'), content: content.digest('hex') };
}

/** Only "\n" ends a line. For `node:readline` U+2028 does too since Node 24, and texts in metadata may hold it. */
async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string, void> {
  let rest = '';
  for await (const chunk of chunks) {
    const [first = '', ...others] = chunk.split('\n');
    rest += first;
    for (const next of others) {
      yield rest;
      rest = next;
    }
  }
  if (rest !== '') yield rest;
}

const Named = Type.Object({ eventId: Type.String() });
const idOf = (line: string): string => Value.Parse(Named, JSON.parse(line)).eventId;

/** Reads an archive to its end. @throws StartError if it is not what its manifest says */
export async function assertWhole(folder: string, manifest: Manifest): Promise<void> {
  const path = join(folder, manifest.file);
  const read = await readBack(path);
  if (read.sha256 !== manifest.sha256 || !isSame(read, manifest))
    throw new StartError(`${path} is not what its manifest says: it is damaged.`);
}

/** Writes the events of an archive to a stream, one a line, when all of it has been found whole. @throws StartError */
export async function printArchive(folder: string, output: NodeJS.WritableStream): Promise<void> {
  const manifest = await readManifest(folder);
  if (manifest === null) throw new StartError(`There is no whole archive of a month in ${folder}.`);
  await assertWhole(folder, manifest);
  const events = createReadStream(join(folder, manifest.file)).pipe(createGunzip());
  events.pipe(output, { end: false });
  await finished(events);
}
