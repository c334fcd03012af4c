import type { EntryChange } from './entry.js';

/** Far longer than a committed batch can take to be reported, in milliseconds. */
const KEPT_MS = 600_000;

/**
 * Removed entries, each with its last version, so that a change that is reported late does not bring one back. They are kept for
 * ten minutes, since no report is later than that.
 */
export class Tombstones {
  /** In the order of `until`. */
  readonly #removed = new Map<string, { readonly version: number; readonly until: number }>();

  /** Whether a change comes too late. */
  covers({ userId, version }: Pick<EntryChange, 'userId' | 'version'>): boolean {
    return version <= this.#versionOf(userId);
  }

  /** @param version infinity for a user who must not come back at all */
  add(userId: string, version: number): void {
    const now = performance.now();
    for (const [old, { until }] of this.#removed) {
      if (until > now) break;
      this.#removed.delete(old);
    }
    const newest = Math.max(version, this.#versionOf(userId));
    this.#removed.delete(userId);
    this.#removed.set(userId, { version: newest, until: now + KEPT_MS });
  }

  #versionOf(userId: string): number {
    return this.#removed.size === 0 ? 0 : (this.#removed.get(userId)?.version ?? 0);
  }
}
