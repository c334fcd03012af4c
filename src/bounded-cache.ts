import { LRUCache } from 'lru-cache';

/**
 * A cache of the entries that were used last. With `max` in place of a size it would hold arrays of that length from the start,
 * which costs each process some megabytes.
 * @param entries how many it may hold
 */
export const boundedCache = <K extends {}, V extends {}>(
  entries: number,
  options: Omit<LRUCache.OptionsSizeLimit<K, V, unknown>, 'maxSize' | 'sizeCalculation'> = {},
): LRUCache<K, V> => new LRUCache<K, V>({ ...options, maxSize: entries, sizeCalculation: () => 1 });
