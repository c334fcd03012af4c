/**
 * The sessions and service accounts that were revoked recently, each kept until the last access token that names it has
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

  /** Takes note of a session or service account that this or another instance has revoked. */
  remember(id: string): void {
    // All its access tokens are older than the first revocation, so a second one does not prolong anything.
    if (this.#until.has(id)) return;
    const now = Date.now();
    for (const [old, until] of this.#until) {
      if (until > now) break;
      this.#until.delete(old);
    }
    this.#until.set(id, now + this.lifetime * 1000);
  }
}
