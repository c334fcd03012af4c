/** A fault at start that an operator can mend: the message is a line that says what is wrong and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
