import { readIdWords } from '../ids.js';

/** What a name takes beside its text, as measured: a place in a map, the key, and the head of the text. */
const BYTES_BESIDE_TEXT = 80;
/** A map that grows copies all it has: of several small ones none holds the process up for long. */
const SHARDS = 16;

const words = new Uint32Array(4);
const halves = new Uint16Array(words.buffer);

/** The 128 bits of an id as eight characters: half as long in memory as the id. Anything else is its own key. */
const keyOf = (userId: string): string =>
  readIdWords('usr', userId, words, 0) ? String.fromCharCode(...halves) : userId;

/** V8 takes two bytes for each character of a text that is not all Latin-1. */
const bytesOf = (name: string): number =>
  BYTES_BESIDE_TEXT + 8 * Math.ceil((name.length * (/^[\0-\xff]*$/.test(name) ? 1 : 2)) / 8);

type Generation = readonly Map<string, string>[];

const newGeneration = (): Generation => Array.from({ length: SHARDS }, () => new Map());

/**
 * Names by user id, in bounded memory: those that were used last. They are kept in two generations. A name that is used moves
 * to the younger one; when that has taken half of the memory, it becomes the older one, and the one before is dropped.
 */
export class KeptNames {
  readonly #maxBytes: number;
  #young = newGeneration();
  #old = newGeneration();
  #youngBytes = 0;
  #oldBytes = 0;

  /** Each name counts for what V8 takes for it. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether some more names can be added without dropping others. */
  get hasRoom(): boolean {
    return this.#oldBytes + this.#youngBytes < 0.98 * this.#maxBytes;
  }

  get(userId: string): string | undefined {
    const key = keyOf(userId);
    const shard = shardOf(key);
    const name = this.#young[shard]?.get(key);
    if (name !== undefined) return name;
    const older = this.#old[shard]?.get(key);
    if (older !== undefined) this.#put(key, older);
    return older;
  }

  set(userId: string, name: string): void {
    this.#put(keyOf(userId), name);
  }

  delete(userId: string): void {
    const key = keyOf(userId);
    this.#young[shardOf(key)]?.delete(key);
    this.#old[shardOf(key)]?.delete(key);
  }

  clear(): void {
    this.#young = newGeneration();
    this.#old = newGeneration();
    this.#youngBytes = 0;
    this.#oldBytes = 0;
  }

  #put(key: string, name: string): void {
    const shard = this.#young[shardOf(key)];
    if (shard?.has(key) === false) this.#youngBytes += bytesOf(name);
    shard?.set(key, name);
    if (this.#youngBytes < this.#maxBytes / 2) return;
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = newGeneration();
    this.#youngBytes = 0;
  }
}

/** By the last bits of the id, which are random. */
const shardOf = (key: string): number => key.charCodeAt(key.length - 1) % SHARDS;
