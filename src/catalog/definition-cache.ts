import type { LRUCache } from 'lru-cache';
import { boundedCache } from '../bounded-cache.js';

/** Definitions that are kept, for up to some 10 MB. */
const KEPT = 10_000;

/** Null if there is none with this id, which is kept too. */
interface Known<T> {
  readonly definition: T | null;
}

/**
 * Definitions by id, which `fetch` reads on demand: once for all callers that ask at the same time. A read that is in
 * progress when its id is deleted is handed to those callers, and not kept.
 */
export type DefinitionCache<T> = LRUCache<string, Known<T>>;

/** @param onReplaced a definition that was kept was read again: what it was, and what it is */
export const definitionCache = <T>(
  read: (id: string) => Promise<T | null>,
  onReplaced?: (old: T, definition: T | null) => void,
): DefinitionCache<T> =>
  boundedCache<string, Known<T>>(KEPT, {
    ignoreFetchAbort: true,
    fetchMethod: async (id, kept) => {
      const definition = await read(id);
      if (kept?.definition) onReplaced?.(kept.definition, definition);
      return { definition };
    },
  });
