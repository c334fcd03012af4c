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

/** The same among all tabs, where the browser keeps locks. It keeps none for a frame that may not store anything either. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  let granted = false;
  try {
    return await navigator.locks.request(name, () => {
      granted = true;
      return work();
    });
  } catch (error) {
    if (granted) throw error;
    return inLine(name, work);
  }
}
