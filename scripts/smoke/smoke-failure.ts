/** Why the service does not pass: its message is one line that says what failed and what to look at. */
export class SmokeFailure extends Error {
  override readonly name = 'SmokeFailure';
}
