/** As much of Web Storage as is needed: `localStorage` is one. */
export type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Values under their names. What the storage does not take or give is kept in memory. */
export interface Store {
  /** What was written, by this version of the package or an older one; null if there is nothing. */
  read<T>(name: string): T | null;
  /** @param value null removes it */
  write(name: string, value: object | null): void;
}

/** @param prefix of the names, so that pages with several services on one origin keep them apart */
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
        if (storage) memory.delete(name);
      } catch {
        // Full, or forbidden: memory has it.
      }
    },
  };
}

/**
 * Where a browser keeps things: what all tabs share, if tabs can keep out of each other's way, which they can on https and
 * localhost; else what one tab has for itself, which survives a reload. Null in Node, and where the user allows neither.
 */
export function browserStorage(): KeyValueStorage | null {
  try {
    return globalThis.navigator?.locks ? localStorage : sessionStorage;
  } catch {
    return null;
  }
}
