/** The part of Web Storage that is used: `localStorage` is one. */
export type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** Named values. A value that the storage cannot hold is kept in memory. */
export interface Store {
  /** The stored value, which an older version of the package may have written; null if there is none. */
  read<T>(name: string): T | null;
  /** @param value null removes it */
  write(name: string, value: object | null): void;
  /** The names of the stored values that begin like this. */
  names(start: string): string[];
}

/** @param prefix of the names, so that several services can be used on one origin */
export function storeOf(storage: KeyValueStorage | null, prefix: string): Store {
  const memory = new Map<string, string | null>();
  return {
    read(name) {
      try {
        const kept = memory.get(name);
        return JSON.parse((kept === undefined ? storage?.getItem(prefix + name) : kept) ?? 'null');
      } catch {
        return null;
      }
    },
    write(name, value) {
      const text = value && JSON.stringify(value);
      memory.set(name, text);
      try {
        if (text === null) storage?.removeItem(prefix + name);
        else storage?.setItem(prefix + name, text);
        if (storage || text === null) memory.delete(name);
      } catch {
        // The storage is full or forbidden: the value stays in memory.
      }
    },
    names(start) {
      const names = new Set(memory.keys());
      try {
        for (let i = 0; i < (storage?.length ?? 0); i++) {
          const key = storage?.key(i);
          if (key?.startsWith(prefix)) names.add(key.slice(prefix.length));
        }
      } catch {
        // Forbidden: all values are in memory.
      }
      return [...names].filter((name) => name.startsWith(start));
    },
  };
}

/**
 * The storage of the browser: shared by all tabs if the browser has locks (on https and localhost), otherwise that of the tab,
 * which survives a reload. Null in Node, and if the user allows neither.
 */
export function browserStorage(): KeyValueStorage | null {
  try {
    return globalThis.navigator?.locks ? localStorage : sessionStorage;
  } catch {
    return null;
  }
}
