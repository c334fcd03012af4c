import { BlockTree } from './block-tree.js';
import type { Blocks } from './blocks.js';
import { NO_SLOT } from './slot-table.js';
import { SOUGHT, type UserSlots } from './user-slots.js';

/**
 * Slots in the order of their rows: by key, then achievedAt, then user id. They are the leaves of a B+ tree. A search
 * goes by the keys in its blocks; it looks at rows only where keys are equal.
 */
export class RankedSlots {
  readonly #users: UserSlots;
  readonly #tree: BlockTree;
  readonly #blocks: Blocks;
  #size = 0;
  /**
   * The path to the slot of the last search, or NO_SLOT if it no longer holds: by height the blocks and the places in them,
   * and the length of the leaf. A change of an entry is followed, or preceded, by a query for its rank.
   */
  #sought = NO_SLOT;
  readonly #path = [0];
  readonly #places = [0];
  #leafLength = 0;

  constructor(users: UserSlots, capacity: number) {
    this.#users = users;
    this.#tree = new BlockTree(capacity);
    this.#blocks = this.#tree.blocks;
  }

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#blocks.bytes;
  }

  /** Puts a slot where its row says. */
  insert(slot: number): void {
    this.#seek(slot);
    this.#put(slot);
  }

  /** Puts a slot behind all others. Throws a RangeError if its row says otherwise. */
  append(slot: number): void {
    const blocks = this.#blocks;
    const key = this.#users.key(slot);
    this.#sought = slot;
    let block = this.#tree.root;
    for (let height = this.#tree.height; height > 0; height--) {
      this.#path[height] = block;
      this.#places[height] = blocks.lengthOf(block) - 1;
      block = blocks.reference(block, this.#placeAt(height));
    }
    const length = blocks.lengthOf(block);
    if (length > 0) {
      const lastKey = blocks.key(block, length - 1);
      const isBehind =
        lastKey < key || (lastKey === key && this.#isThrough(blocks.reference(block, length - 1), slot));
      if (!isBehind) throw new RangeError('Not in the order of the board');
    }
    this.#path[0] = block;
    this.#places[0] = length;
    this.#leafLength = length;
    this.#put(slot);
  }

  /** Puts a slot where the path leads. */
  #put(slot: number): void {
    if (this.#leafLength === this.#blocks.capacity) this.#makeRoom(slot);
    const key = this.#users.key(slot);
    const at = this.#placeAt(0);
    this.#blocks.insert(this.#blockAt(0), this.#leafLength, at, key, slot, 1);
    for (let height = 1; height <= this.#tree.height; height++) {
      this.#blocks.addCount(this.#blockAt(height), this.#placeAt(height), 1);
      // The slot is the first of all, so each block on the path is the first of its height.
      if (at === 0) this.#blocks.setKey(this.#blockAt(height), 0, key);
    }
    this.#size += 1;
    // Now the path leads to the slot itself.
    this.#places[0] = at + 1;
    this.#leafLength += 1;
  }

  /** Takes out a slot, whose row must still be as it was when the slot was put in. */
  delete(slot: number): void {
    this.#seek(slot);
    this.#sought = NO_SLOT;
    const at = this.#placeAt(0) - 1;
    this.#blocks.delete(this.#blockAt(0), this.#leafLength, at);
    for (let height = 1; height <= this.#tree.height; height++) {
      this.#blocks.addCount(this.#blockAt(height), this.#placeAt(height), -1);
    }
    this.#size -= 1;
    if (at === 0 || this.#leafLength <= this.#blocks.capacity / 2) this.#rebalance();
  }

  /** How many slots come before the position in this slot's row or are at it. */
  countThrough(slot: number): number {
    this.#seek(slot);
    let count = this.#placeAt(0);
    for (let height = 1; height <= this.#tree.height; height++) {
      count += this.#blocks.countBefore(this.#blockAt(height), this.#placeAt(height));
    }
    return count;
  }

  /** How many slots have a lower key. */
  countLower(key: number): number {
    const blocks = this.#blocks;
    let block = this.#tree.root;
    let count = 0;
    for (let height = this.#tree.height; height > 0; height--) {
      // Slots with a lower key can be in the last block that begins with one, but not behind it.
      const at = Math.max(blocks.lower(block, blocks.lengthOf(block), key) - 1, 0);
      count += blocks.countBefore(block, at);
      block = blocks.reference(block, at);
    }
    return count + blocks.lower(block, blocks.lengthOf(block), key);
  }

  /** The slots in the places from `start` (0 is the first) up to, but without, `end`. */
  slice(start: number, end: number): number[] {
    const found: number[] = [];
    this.#tree.collect(this.#tree.height, this.#tree.root, start, end, found);
    return found;
  }

  /**
   * Finds the path to a slot's position: in each branch the last item that begins there or before, or the first item if
   * none does; in the leaf, how many items come before the position or are at it.
   */
  #seek(slot: number): void {
    // The row of SOUGHT has changed since the last search.
    if (slot === this.#sought && slot !== SOUGHT) return;
    this.#sought = slot;
    const blocks = this.#blocks;
    const key = this.#users.key(slot);
    let block = this.#tree.root;
    let length = blocks.lengthOf(block);
    for (let height = this.#tree.height; ; height--) {
      let at = blocks.lower(block, length, key);
      const isTie = at < length && blocks.key(block, at) === key;
      if (isTie) at = this.#throughTies(height, block, at, length, slot);
      if (height > 0 && at > 0) at -= 1;
      this.#path[height] = block;
      this.#places[height] = at;
      if (height === 0) break;
      // The length of a leaf is known from its count, before the leaf has come from memory.
      length = blocks.count(block, at);
      block = blocks.reference(block, at);
      if (height > 1) length = blocks.lengthOf(block);
    }
    this.#leafLength = length;
  }

  /** How many items of a block begin at the slot's position or before it, given how many have a lower key. */
  #throughTies(height: number, block: number, lower: number, length: number, slot: number): number {
    const blocks = this.#blocks;
    const key = this.#users.key(slot);
    if (height === 0) {
      // A slot that stands there is found without a look at the rows of others.
      const at = blocks.find(block, lower, length, key, slot);
      if (at < length) return at + 1;
    }
    let low = lower;
    let high = length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const isTie = blocks.key(block, middle) === key;
      if (isTie && this.#isThrough(this.#tree.firstSlot(height, block, middle), slot)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether another slot with the same key comes before the slot's position or is at it. */
  #isThrough(other: number, slot: number): boolean {
    const later = this.#users.achievedAt(other) - this.#users.achievedAt(slot);
    return later < 0 || (later === 0 && this.#users.compareIds(other, slot) <= 0);
  }

  /** Splits the full leaf that was found for a slot, after the branches above that are full too. */
  #makeRoom(slot: number): void {
    const { capacity } = this.#blocks;
    let top = 0;
    // Most new entries go to the end, where full blocks stay full.
    let isEnd = this.#placeAt(0) === this.#leafLength;
    for (let height = 1; height <= this.#tree.height; height++) {
      const length = this.#blocks.lengthOf(this.#blockAt(height));
      if (length === capacity && top === height - 1) top = height;
      isEnd &&= this.#placeAt(height) === length - 1;
    }
    if (top === this.#tree.height) this.#tree.grow();
    for (let height = top + 1; height > 0; height--) {
      this.#sought = NO_SLOT;
      this.#seek(slot);
      this.#tree.split(this.#blockAt(height), this.#placeAt(height), isEnd ? capacity - 1 : capacity >>> 1);
    }
    this.#sought = NO_SLOT;
    this.#seek(slot);
  }

  /** After a deletion: takes out empty blocks on the path, corrects first keys, and joins blocks that fit in one. */
  #rebalance(): void {
    const blocks = this.#blocks;
    for (let height = 1; height <= this.#tree.height; height++) {
      const below = this.#blockAt(height - 1);
      const branch = this.#blockAt(height);
      const at = this.#placeAt(height);
      if (blocks.lengthOf(below) === 0) {
        blocks.delete(branch, blocks.lengthOf(branch), at);
        blocks.give(below);
      } else {
        blocks.setKey(branch, at, blocks.key(below, 0));
        if (!this.#tree.join(branch, at)) this.#tree.join(branch, at - 1);
      }
    }
    this.#tree.shrink();
  }

  #blockAt(height: number): number {
    return this.#path[height] ?? 0;
  }

  #placeAt(height: number): number {
    return this.#places[height] ?? 0;
  }
}
