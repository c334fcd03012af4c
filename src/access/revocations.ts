/**
 * What was revoked lately: ids of sessions and service accounts, each kept until the last access token that names it has
 * expired.
 */
export class Revocations {
  /** Of an access token, in seconds. */
  readonly lifetime: number;
  /** Id → when it may be forgotten, oldest first. */
  readonly #until = new Map<string, number>();

  constructor(lifetime: number) {
    this.lifetime = lifetime;
  }

  has(id: string): boolean {
    return this.#until.has(id);
  }

  /** Takes note of what this or another instance has revoked. */
  remember(id: string): void {
    // Access tokens are older than the first revocation: a repetition need not be remembered any longer.
    if (this.#until.has(id)) return;
    const now = Date.now();
    for (const [old, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(old);
    }
    this.#until.set(id, now + this.lifetime * 1000);
  }
}
