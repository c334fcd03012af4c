import { createSHA256, type IHasher } from 'hash-wasm';
import { instant } from '../clock.js';

/** An entry of the final standings. `achievedAt` is in milliseconds since 1970. */
export interface FinalEntry {
  readonly rank: number;
  readonly userId: string;
  readonly score: number;
  readonly achievedAt: number;
}

/** An entry as it goes into the digest: what the API shows of it, but for the name. */
export const digestLine = ({ rank, userId, score, achievedAt }: FinalEntry): string =>
  `${rank} ${userId} ${score} ${instant(achievedAt)}\n`;

/**
 * SHA-256 over the lines of the final standings, in their order. It can be laid aside between two entries, and taken up by another
 * process: Node's own hash cannot.
 */
export class StandingsDigest {
  readonly #hash: IHasher;

  private constructor(hash: IHasher) {
    this.#hash = hash;
  }

  /** @param state where `save` has left off; null begins anew */
  static async resume(state: string | null): Promise<StandingsDigest> {
    const hash = await createSHA256();
    return new StandingsDigest(state === null ? hash.init() : hash.load(Buffer.from(state, 'base64')));
  }

  add(entries: readonly FinalEntry[]): void {
    this.#hash.update(entries.map(digestLine).join(''));
  }

  save(): string {
    return Buffer.from(this.#hash.save()).toString('base64');
  }

  /** In hexadecimal. Nothing can be added any more. */
  end(): string {
    return this.#hash.digest('hex');
  }
}
