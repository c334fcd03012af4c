import { Blocks } from './blocks.js';

/**
 * The shape of a B+ tree of blocks. An item of a leaf (height 0) refers to a slot; an item of a branch refers to a block
 * below, with the first key there and how many slots are in it.
 */
export class BlockTree {
  readonly blocks: Blocks;
  #root: number;
  #height = 0;

  constructor(capacity: number) {
    this.blocks = new Blocks(capacity);
    this.#root = this.blocks.take();
  }

  get root(): number {
    return this.#root;
  }

  get height(): number {
    return this.#height;
  }

  /** The first slot in or below an item. */
  firstSlot(height: number, block: number, at: number): number {
    let first = this.blocks.reference(block, at);
    for (let below = height; below > 0; below--) first = this.blocks.reference(first, 0);
    return first;
  }

  /** Adds to `found` the slots of a block in the places from `start` up to, but without, `end`. */
  collect(height: number, block: number, start: number, end: number, found: number[]): void {
    const blocks = this.blocks;
    const length = blocks.lengthOf(block);
    if (height === 0) {
      for (let at = start; at < Math.min(end, length); at++) found.push(blocks.reference(block, at));
      return;
    }
    for (let at = 0, before = 0; at < length && before < end; at++) {
      const child = blocks.reference(block, at);
      const count = blocks.count(block, at);
      if (start < before + count) {
        this.collect(height - 1, child, Math.max(start - before, 0), end - before, found);
      }
      before += count;
    }
  }

  /** Puts a new root above the present one. */
  grow(): void {
    const blocks = this.blocks;
    const count = blocks.countBefore(this.#root, blocks.lengthOf(this.#root));
    const root = blocks.take();
    blocks.insert(root, 0, 0, blocks.key(this.#root, 0), this.#root, count);
    this.#root = root;
    this.#height += 1;
  }

  /** Takes away roots that lead to one block only. */
  shrink(): void {
    while (this.#height > 0 && this.blocks.lengthOf(this.#root) === 1) {
      const only = this.blocks.reference(this.#root, 0);
      this.blocks.give(this.#root);
      this.#root = only;
      this.#height -= 1;
    }
  }

  /** Moves all but the first `kept` items of the block at this place of a branch, which has room, to one after it. */
  split(branch: number, at: number, kept: number): void {
    const blocks = this.blocks;
    const right = blocks.take();
    blocks.move(blocks.reference(branch, at), kept, right);
    const moved = blocks.countBefore(right, blocks.lengthOf(right));
    blocks.addCount(branch, at, -moved);
    blocks.insert(branch, blocks.lengthOf(branch), at + 1, blocks.key(right, 0), right, moved);
  }

  /** Joins the block at this place of a branch with the next if they fill half a block at most. True if it did. */
  join(branch: number, at: number): boolean {
    const blocks = this.blocks;
    const length = blocks.lengthOf(branch);
    if (at < 0 || at + 1 >= length) return false;
    const left = blocks.reference(branch, at);
    const right = blocks.reference(branch, at + 1);
    if (blocks.lengthOf(left) + blocks.lengthOf(right) > blocks.capacity / 2) return false;
    blocks.move(right, 0, left);
    blocks.addCount(branch, at, blocks.count(branch, at + 1));
    blocks.delete(branch, length, at + 1);
    blocks.give(right);
    return true;
  }
}
