/**
 * A fault at start. Its message is one plain line that says what is wrong and what to do;
 * the server prints it and exits 1.
 */
export class StartError extends Error {
  override name = 'StartError';
}
