import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { Seal, type Sealed } from '../sealing.js';

export { type Sealed, Unreadable } from '../sealing.js';

/** What PostgreSQL must not show: it may also be in the URL, as in those of Discord. */
const Secrets = Type.Object({
  url: Type.String(),
  /** `whsec_…` */
  secret: Type.String(),
  /** The one before signs too, until a time in milliseconds since 1970. */
  previous: Type.Optional(Type.Object({ secret: Type.String(), until: Type.Integer() })),
});
export type Secrets = Static<typeof Secrets>;

/** Encrypts what webhooks keep secret, with a key that is derived from a secret of the service. */
export class Sealing {
  readonly #seal: Seal;

  /** @param previousSecret what was encrypted with its key can still be read, so that a rotation loses nothing */
  constructor(secret: string, previousSecret?: string) {
    this.#seal = new Seal('webhook', secret, previousSecret);
  }

  /** The name of the key that is only read with, if there is one. */
  get previousKeyName(): string | undefined {
    return this.#seal.previousKeyName;
  }

  /** @param webhook its id: what is sealed for one webhook cannot be opened for another */
  seal(webhook: string, secrets: Secrets): Sealed {
    return this.#seal.seal(webhook, JSON.stringify(secrets));
  }

  /** @throws Unreadable if it was sealed with a key that is not known any more, or for another webhook, or is damaged */
  open(webhook: string, sealed: Sealed): Secrets {
    const text = this.#seal.open(webhook, sealed);
    try {
      return Value.Parse(Secrets, JSON.parse(text));
    } catch (cause) {
      throw this.#seal.damaged(webhook, cause);
    }
  }
}
