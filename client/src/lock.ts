/** The end of each line. */
const lines = new Map<string, Promise<void>>();

/** Does something when all that was asked for under the same name before, on this page, is done. */
export async function inLine<T>(name: string, work: () => Promise<T>): Promise<T> {
  const result = (lines.get(name) ?? Promise.resolve()).then(work);
  const end = result.then(
    () => {},
    () => {},
  );
  lines.set(name, end);
  try {
    return await result;
  } finally {
    if (lines.get(name) === end) lines.delete(name);
  }
}

/** The same among all tabs, where the browser keeps locks. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  return globalThis.navigator?.locks ? navigator.locks.request(name, work) : inLine(name, work);
}
