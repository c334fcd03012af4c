import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

const IV_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/** What PostgreSQL must not show: it may also be in the URL, as in those of Discord. */
const Secrets = Type.Object({
  url: Type.String(),
  /** `whsec_…` */
  secret: Type.String(),
  /** The one before signs too, until a time in milliseconds since 1970. */
  previous: Type.Optional(Type.Object({ secret: Type.String(), until: Type.Integer() })),
});
export type Secrets = Static<typeof Secrets>;

export interface Sealed {
  readonly sealed: Buffer;
  /** Names the key. */
  readonly sealedBy: string;
}

/** What a webhook keeps secret cannot be read, as its message says. */
export class Unreadable extends Error {}

interface Key {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Encrypts what webhooks keep secret, with a key that is derived from a secret of the service. */
export class Sealing {
  readonly #key: Key;
  readonly #previous: Key | undefined;

  /** @param previousSecret what was encrypted with its key can still be read, so that a rotation loses nothing */
  constructor(secret: string, previousSecret?: string) {
    this.#key = keyOf(secret);
    this.#previous = previousSecret === undefined ? undefined : keyOf(previousSecret);
  }

  /** The name of the key that is only read with, if there is one. */
  get previousKeyName(): string | undefined {
    return this.#previous?.name;
  }

  /** @param webhook its id: what is sealed for one webhook cannot be opened for another */
  seal(webhook: string, secrets: Secrets): Sealed {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key.bytes, iv).setAAD(Buffer.from(webhook));
    const text = Buffer.concat([cipher.update(JSON.stringify(secrets)), cipher.final()]);
    return { sealed: Buffer.concat([iv, cipher.getAuthTag(), text]), sealedBy: this.#key.name };
  }

  /** @throws Unreadable if it was sealed with a key that is not known any more, or for another webhook, or is damaged */
  open(webhook: string, { sealed, sealedBy }: Sealed): Secrets {
    const key = [this.#key, this.#previous].find((known) => known?.name === sealedBy);
    if (key === undefined) {
      throw new Unreadable(
        `What webhook ${webhook} keeps secret was encrypted with ${sealedBy}, a key of an earlier JWT_SECRET`,
      );
    }
    try {
      const decipher = createDecipheriv(CIPHER, key.bytes, sealed.subarray(0, IV_BYTES))
        .setAAD(Buffer.from(webhook))
        .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      const text = Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
      return Value.Parse(Secrets, JSON.parse(text.toString()));
    } catch (cause) {
      throw new Unreadable(`What webhook ${webhook} keeps secret is damaged`, { cause });
    }
  }
}

function keyOf(secret: string): Key {
  const bytes = Buffer.from(hkdfSync('sha256', secret, '', 'scoreboard-api webhooks', 32));
  return { name: `key_${hash('sha256', bytes).slice(0, 8)}`, bytes };
}
