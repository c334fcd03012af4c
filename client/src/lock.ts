/** The last work of each queue. */
const lines = new Map<string, Promise<void>>();

/** Runs `work` after all earlier work of this page with the same name. */
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

/** The same across all tabs, if the browser has locks. It has none for a frame that may not use storage. */
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
