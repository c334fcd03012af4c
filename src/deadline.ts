import { lostTime } from './lost-time.js';

/**
 * Calls back once the process has had this much time: while it has no turn, none passes.
 * @returns what prevents the call
 */
export function countDown(ms: number, callback: () => void): () => void {
  let lost = lostTime();
  let prevent = (): void => {};
  const wait = (restMs: number) => {
    const timer = setTimeout(() => {
      const lostSince = lostTime() - lost;
      lost += lostSince;
      if (lostSince > 0) return wait(lostSince);
      // What has come meanwhile is read first.
      const turn = setImmediate(callback);
      prevent = () => clearImmediate(turn);
    }, restMs);
    prevent = () => clearTimeout(timer);
  };
  wait(ms);
  return () => prevent();
}

/**
 * What `work` resolves to. The work itself goes on after the deadline; its result is then ignored.
 * @param ms of the time that the process has had
 * @throws Error with this message if it takes longer, and whatever the work throws
 */
export async function withDeadline<T>(work: Promise<T>, ms: number, message: string): Promise<T> {
  let inTime = (): void => {};
  const tooLate = new Promise<never>((_, reject) => {
    inTime = countDown(ms, () => reject(new Error(message)));
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    inTime();
  }
}
