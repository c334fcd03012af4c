import type { Test } from 'tap';

/** The test that stands for the file that is being loaded, in a process that runs many. */
export const currentFile: { test: Test | undefined } = { test: undefined };
