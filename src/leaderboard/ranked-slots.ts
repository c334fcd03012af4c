import { Blocks } from './blocks.js';
import { NO_SLOT } from './slot-table.js';
import { SOUGHT, type UserSlots } from './user-slots.js';

/**
 * Slots in the order of their rows: by key, then achievedAt, then user id. They are the leaves of a B+ tree: the items
 * of a branch refer to blocks below, with the first key of each and how many slots are in it. A search looks at rows
 * only where keys are equal.
 */
export class RankedSlots {
  readonly #users: UserSlots;
  readonly #leaves: Blocks;
  readonly #branches: Blocks;
  #root: number;
  /** How many levels of branches there are above the leaves. */
  #height = 0;
  #size = 0;
  /** The way that was found last, from the leaf (0) up: blocks, the places in them, and the length of the leaf. */
  readonly #blocks = [0];
  readonly #places = [0];
  #length = 0;
  #sought = NO_SLOT;

  constructor(users: UserSlots, capacity: number) {
    this.#users = users;
    this.#leaves = new Blocks(capacity, false);
    this.#branches = new Blocks(capacity, true);
    this.#root = this.#leaves.take();
  }

  get size(): number {
    return this.#size;
  }

  /** Puts a slot where its row says. */
  insert(slot: number): void {
    this.#seek(slot);
    if (this.#length === this.#leaves.capacity) {
      this.#makeRoom(slot);
    }
    const key = this.#users.key(slot);
    const at = this.#place(0);
    this.#leaves.insert(this.#block(0), this.#length, at, key, slot, 1);
    for (let height = 1; height <= this.#height; height++) {
      this.#branches.addCount(this.#block(height), this.#place(height), 1);
      // Before all others: then each block on the way is the first of its level.
      if (at === 0) this.#branches.setKey(this.#block(height), 0, key);
    }
    this.#size += 1;
    // The way that was found leads to the slot itself now.
    this.#places[0] = at + 1;
    this.#length += 1;
  }

  /** Takes out a slot, whose row must still be as it was when the slot was put in. */
  delete(slot: number): void {
    this.#seek(slot);
    this.#sought = NO_SLOT;
    const at = this.#place(0) - 1;
    this.#leaves.delete(this.#block(0), this.#length, at);
    for (let height = 1; height <= this.#height; height++) {
      this.#branches.addCount(this.#block(height), this.#place(height), -1);
    }
    this.#size -= 1;
    if (at === 0 || this.#length <= this.#leaves.capacity / 2) this.#mend();
  }

  /** How many slots come before the position in this slot's row or are at it. */
  countThrough(slot: number): number {
    this.#seek(slot);
    let count = this.#place(0);
    for (let height = 1; height <= this.#height; height++) {
      count += this.#branches.countBefore(this.#block(height), this.#place(height));
    }
    return count;
  }

  /** The slots in the places from `start` (0 is the first) up to, but without, `end`. */
  slice(start: number, end: number): number[] {
    const found: number[] = [];
    this.#collect(this.#height, this.#root, start, end, found);
    return found;
  }

  /** Adds to `found` the slots of a block in these places, counted from its first. */
  #collect(height: number, block: number, start: number, end: number, found: number[]): void {
    const blocks = this.#level(height);
    const length = blocks.lengthOf(block);
    if (height === 0) {
      for (let at = start; at < Math.min(end, length); at++) found.push(blocks.reference(block, at));
      return;
    }
    for (let at = 0, before = 0; at < length && before < end; at++) {
      const count = blocks.count(block, at);
      if (start < before + count) {
        this.#collect(
          height - 1,
          blocks.reference(block, at),
          Math.max(start - before, 0),
          end - before,
          found,
        );
      }
      before += count;
    }
  }

  /**
   * Finds the way to a slot's position: in each block from the root down the last item that begins there or before, or
   * the first item if none does; in the leaf, how many items come before the position or are at it.
   */
  #seek(slot: number): void {
    if (slot === this.#sought && slot !== SOUGHT) return;
    this.#sought = slot;
    const key = this.#users.key(slot);
    const branches = this.#branches;
    let block = this.#root;
    let length = this.#level(this.#height).lengthOf(block);
    for (let height = this.#height; height > 0; height--) {
      let at = branches.lower(block, length, key);
      if (at < length && branches.key(block, at) === key)
        at = this.#throughTies(height, block, at, length, slot);
      if (at > 0) at -= 1;
      this.#blocks[height] = block;
      this.#places[height] = at;
      // The length of a leaf is known from its count, without a look at the leaf.
      length = branches.count(block, at);
      block = branches.reference(block, at);
      if (height > 1) length = branches.lengthOf(block);
    }
    let at = this.#leaves.lower(block, length, key);
    if (at < length && this.#leaves.key(block, at) === key)
      at = this.#throughTies(0, block, at, length, slot);
    this.#blocks[0] = block;
    this.#places[0] = at;
    this.#length = length;
  }

  /** How many items of a block begin at the slot's position or before it, of which `from` have lower keys. */
  #throughTies(height: number, block: number, from: number, length: number, slot: number): number {
    const key = this.#users.key(slot);
    const blocks = this.#level(height);
    if (height === 0) {
      // A slot that stands there is found without a look at the rows of others.
      const at = blocks.find(block, from, length, key, slot);
      if (at < length) return at + 1;
    }
    let low = from;
    let high = length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (blocks.key(block, middle) === key && this.#isTieThrough(height, block, middle, slot))
        low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether an item with the slot's own key begins before the slot's position or at it. */
  #isTieThrough(height: number, block: number, at: number, slot: number): boolean {
    let first = this.#level(height).reference(block, at);
    for (let below = height - 1; below >= 0; below--) first = this.#level(below).reference(first, 0);
    const later = this.#users.achievedAt(first) - this.#users.achievedAt(slot);
    return later < 0 || (later === 0 && this.#users.compareIds(first, slot) <= 0);
  }

  /** Splits the full leaf that was found for a slot, and whatever must be split for that. */
  #makeRoom(slot: number): void {
    // Most newcomers line up at the end: there full blocks stay full.
    let isEnd = this.#place(0) === this.#length;
    for (let height = 1; height <= this.#height; height++) {
      isEnd &&= this.#place(height) === this.#branches.lengthOf(this.#block(height)) - 1;
    }
    let top = 1;
    while (top <= this.#height && this.#branches.lengthOf(this.#block(top)) === this.#branches.capacity)
      top++;
    if (top > this.#height) this.#grow();
    for (let height = top; height > 0; height--) {
      this.#split(height, this.#block(height), this.#place(height), isEnd);
      this.#sought = NO_SLOT;
      this.#seek(slot);
    }
  }

  /** Puts a level above the root. */
  #grow(): void {
    const root = this.#branches.take();
    this.#branches.insert(root, 0, 0, this.#level(this.#height).key(this.#root, 0), this.#root, this.#size);
    this.#root = root;
    this.#height += 1;
    this.#blocks[this.#height] = root;
    this.#places[this.#height] = 0;
  }

  /** Moves the second half of a full block below, or at the end only the last item, to a new one after it. */
  #split(height: number, block: number, at: number, isEnd: boolean): void {
    const branches = this.#branches;
    const below = this.#level(height - 1);
    const right = below.take();
    below.move(branches.reference(block, at), isEnd ? below.capacity - 1 : below.capacity >>> 1, right);
    const length = below.lengthOf(right);
    const moved = height === 1 ? length : branches.countBefore(right, length);
    branches.addCount(block, at, -moved);
    branches.insert(block, branches.lengthOf(block), at + 1, below.key(right, 0), right, moved);
  }

  /** After a deletion: takes out empty blocks on the way, corrects first keys, and joins blocks that fit in one. */
  #mend(): void {
    const branches = this.#branches;
    for (let height = 1; height <= this.#height; height++) {
      const below = this.#level(height - 1);
      const child = this.#block(height - 1);
      const block = this.#block(height);
      const at = this.#place(height);
      if (below.lengthOf(child) === 0) {
        branches.delete(block, branches.lengthOf(block), at);
        below.give(child);
      } else {
        branches.setKey(block, at, below.key(child, 0));
        if (!this.#join(height, block, at)) this.#join(height, block, at - 1);
      }
    }
    while (this.#height > 0 && branches.lengthOf(this.#root) === 1) {
      const only = branches.reference(this.#root, 0);
      branches.give(this.#root);
      this.#root = only;
      this.#height -= 1;
    }
  }

  /** Joins this block below with the next if they fill half a block at most. */
  #join(height: number, block: number, at: number): boolean {
    const branches = this.#branches;
    if (at < 0 || at + 1 >= branches.lengthOf(block)) return false;
    const below = this.#level(height - 1);
    const left = branches.reference(block, at);
    const right = branches.reference(block, at + 1);
    if (below.lengthOf(left) + below.lengthOf(right) > below.capacity / 2) return false;
    below.move(right, 0, left);
    below.give(right);
    branches.addCount(block, at, branches.count(block, at + 1));
    branches.delete(block, branches.lengthOf(block), at + 1);
    return true;
  }

  #block(height: number): number {
    return this.#blocks[height] ?? 0;
  }

  #place(height: number): number {
    return this.#places[height] ?? 0;
  }

  #level(height: number): Blocks {
    return height === 0 ? this.#leaves : this.#branches;
  }
}
