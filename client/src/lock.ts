import { ScoreboardError } from './problem.js';

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

/**
 * The same across all tabs, if the browser has locks. It has none for a frame that may not use storage.
 * @param limitMs how long other tabs may hold the lock; without it, as long as they are open
 * @throws ScoreboardError `unreachable` after that
 */
export async function exclusively<T>(name: string, work: () => Promise<T>, limitMs?: number): Promise<T> {
  const limit = new AbortController();
  const giveUp = () => limit.abort(new ScoreboardError('unreachable', 'Another tab does not finish.'));
  const timer = limitMs && setTimeout(giveUp, limitMs);
  let granted = false;
  try {
    return await navigator.locks.request(name, limit, () => {
      granted = true;
      clearTimeout(timer);
      return work();
    });
  } catch (error) {
    if (granted || limit.signal.aborted) throw error;
    clearTimeout(timer);
    return inLine(name, work);
  }
}
