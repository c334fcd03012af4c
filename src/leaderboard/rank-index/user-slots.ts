import { idFromWords, readIdWords } from '../../ids.js';
import { Records } from './records.js';
import { NO_SLOT, SlotTable } from './slot-table.js';

/** A row is 40 bytes in one stretch: key, achievedAt and version as doubles, then the user id as four words. */
const DOUBLES = 5;
const ID = 6;

/** The slot of no user: its row holds the position that a search looks for. */
export const SOUGHT = NO_SLOT;

/** The users of one board, each in a numbered slot with the values that decide its place. */
export class UserSlots {
  readonly #rows = new Records(DOUBLES);
  readonly #table = new SlotTable();
  /** The user found last, because the next lookup is often for the same user. */
  #foundId = '';
  #foundSlot = NO_SLOT;
  /** The user whose id is in the row of SOUGHT, so that an id that is looked up and then added is parsed once. */
  #soughtId: string | undefined;
  readonly #isSought = (slot: number) => this.compareIds(slot, SOUGHT) === 0;

  constructor() {
    this.#rows.take();
  }

  get bytes(): number {
    return this.#rows.bytes + this.#table.bytes;
  }

  /** The user's slot, or NO_SLOT. */
  find(userId: string): number {
    if (userId === this.#foundId) return this.#foundSlot;
    if (!this.#read(userId)) return NO_SLOT;
    const slot = this.#table.find(this.#hash(SOUGHT), this.#isSought);
    if (slot !== NO_SLOT) {
      this.#foundId = userId;
      this.#foundSlot = slot;
    }
    return slot;
  }

  /** A slot for a user without one. Throws a TypeError if this is no user id. */
  add(userId: string): number {
    const slot = this.#take(userId);
    this.#table.add(this.#hash(slot), slot);
    return slot;
  }

  /**
   * Slots for users without one. Throws as `add`.
   * Lookups of many users in a row let the processor fetch their memory in parallel.
   */
  addAll(userIds: readonly string[]): number[] {
    const slots = userIds.map((userId) => this.#take(userId));
    const hashes = slots.map((slot) => this.#hash(slot));
    for (const [i, slot] of slots.entries()) this.#table.add(hashes[i] ?? 0, slot);
    return slots;
  }

  /** A slot with the user's id, which cannot be found yet. */
  #take(userId: string): number {
    this.seek(userId); // throws before anything has changed
    const slot = this.#rows.take();
    const words = this.#rows.words(slot);
    const id = this.#rows.wordOf(slot) + ID;
    const sought = this.#rows.words(SOUGHT);
    for (let i = 0; i < 4; i++) words[id + i] = sought[ID + i] ?? 0;
    return slot;
  }

  delete(slot: number): void {
    this.#table.delete(this.#hash(slot), slot);
    this.#rows.give(slot);
    this.#foundId = '';
    this.#foundSlot = NO_SLOT;
  }

  /** Writes an id to the row of SOUGHT. Throws a TypeError if this is no user id. */
  seek(userId: string): void {
    if (!this.#read(userId)) throw new TypeError(`Not a user id: ${userId}`);
  }

  #read(userId: string): boolean {
    if (userId === this.#soughtId) return true;
    const isId = readIdWords('usr', userId, this.#rows.words(SOUGHT), ID);
    this.#soughtId = isId ? userId : undefined;
    return isId;
  }

  set(slot: number, key: number, achievedAt: number, version: number): void {
    const doubles = this.#rows.doubles(slot);
    const at = this.#rows.startOf(slot);
    doubles[at] = key;
    doubles[at + 1] = achievedAt;
    doubles[at + 2] = version;
  }

  key(slot: number): number {
    return this.#rows.doubles(slot)[this.#rows.startOf(slot)] ?? NaN;
  }

  achievedAt(slot: number): number {
    return this.#rows.doubles(slot)[this.#rows.startOf(slot) + 1] ?? NaN;
  }

  version(slot: number): number {
    return this.#rows.doubles(slot)[this.#rows.startOf(slot) + 2] ?? NaN;
  }

  userId(slot: number): string {
    return idFromWords('usr', this.#rows.words(slot), this.#rows.wordOf(slot) + ID);
  }

  /** Negative if the user of slot `a` comes before that of slot `b`. */
  compareIds(a: number, b: number): number {
    const left = this.#rows.words(a);
    const right = this.#rows.words(b);
    const leftId = this.#rows.wordOf(a) + ID;
    const rightId = this.#rows.wordOf(b) + ID;
    for (let i = 0; i < 4; i++) {
      const difference = (left[leftId + i] ?? 0) - (right[rightId + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  #hash(slot: number): number {
    const words = this.#rows.words(slot);
    const id = this.#rows.wordOf(slot) + ID;
    let hash = 0;
    for (let i = 0; i < 4; i++) {
      hash = Math.imul(hash ^ (words[id + i] ?? 0), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return (Math.imul(hash, 0x85ebca6b) ^ (hash >>> 13)) >>> 0;
  }
}
