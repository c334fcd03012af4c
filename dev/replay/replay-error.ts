/** A failure that the person at the terminal can fix. The message is one line that says how. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError';
}
