/**
 * Does the work for each item, up to `most` at a time, each begun as soon as there is room for it.
 * @throws what one that failed has thrown; then nothing more is begun
 */
export async function concurrently<T>(
  items: Iterable<T>,
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for (const item of items) {
    // One that fails stays, so that whoever waits next hears of it, also if others end in the same moment.
    const done: Promise<void> = work(item).then(() => void underWay.delete(done));
    underWay.add(done);
    if (underWay.size >= most) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}
