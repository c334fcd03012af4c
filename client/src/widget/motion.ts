/** Whether the reader has asked for a page that keeps still. */
export const isStill = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;
