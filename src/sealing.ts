import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from 'node:crypto';

const IV_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

export interface Sealed {
  readonly sealed: Buffer;
  /** Names the key. */
  readonly sealedBy: string;
}

/** What somebody keeps secret cannot be read, as its message says. */
export class Unreadable extends Error {}

interface Key {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Encrypts what PostgreSQL must not show, with a key that is derived from a secret of the service. */
export class Seal {
  readonly #what: string;
  readonly #key: Key;
  readonly #previous: Key | undefined;

  /**
   * @param what the secrets are of, such as `webhook`: each kind has a key of its own
   * @param previousSecret what was encrypted with its key can still be read, so that a rotation loses nothing
   */
  constructor(what: string, secret: string, previousSecret?: string) {
    this.#what = what;
    this.#key = keyOf(what, secret);
    this.#previous = previousSecret === undefined ? undefined : keyOf(what, previousSecret);
  }

  /** The name of the key that is only read with, if there is one. */
  get previousKeyName(): string | undefined {
    return this.#previous?.name;
  }

  /** @param id what is sealed for one cannot be opened for another */
  seal(id: string, secret: string): Sealed {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key.bytes, iv).setAAD(Buffer.from(id));
    const text = Buffer.concat([cipher.update(secret), cipher.final()]);
    return { sealed: Buffer.concat([iv, cipher.getAuthTag(), text]), sealedBy: this.#key.name };
  }

  /** @throws Unreadable if it was sealed with a key that is not known any more, or for another id, or is damaged */
  open(id: string, { sealed, sealedBy }: Sealed): string {
    const key = [this.#key, this.#previous].find((known) => known?.name === sealedBy);
    if (key === undefined) {
      throw new Unreadable(
        `What ${this.#what} ${id} keeps secret was encrypted with ${sealedBy}, a key of an earlier JWT_SECRET`,
      );
    }
    try {
      const decipher = createDecipheriv(CIPHER, key.bytes, sealed.subarray(0, IV_BYTES))
        .setAAD(Buffer.from(id))
        .setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      return Buffer.concat([
        decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)),
        decipher.final(),
      ]).toString();
    } catch (cause) {
      throw this.damaged(id, cause);
    }
  }

  damaged(id: string, cause: unknown): Unreadable {
    return new Unreadable(`What ${this.#what} ${id} keeps secret is damaged`, { cause });
  }
}

function keyOf(what: string, secret: string): Key {
  const bytes = Buffer.from(hkdfSync('sha256', secret, '', `scoreboard-api ${what}s`, 32));
  return { name: `key_${hash('sha256', bytes).slice(0, 8)}`, bytes };
}
