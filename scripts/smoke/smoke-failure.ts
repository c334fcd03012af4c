/** Why the test failed. The message is one line: what failed and where to look. */
export class SmokeFailure extends Error {
  override readonly name = 'SmokeFailure';
}
