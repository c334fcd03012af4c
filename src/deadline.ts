/**
 * What `work` resolves to. The work itself goes on after the deadline; its result is then ignored.
 * @throws Error with this message if it takes longer, and whatever the work throws
 */
export async function withDeadline<T>(work: Promise<T>, ms: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    // A process that was held up has not read yet what has come meanwhile: it does so before it rejects.
    timer = setTimeout(() => setImmediate(() => reject(new Error(message))), ms);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
