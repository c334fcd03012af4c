import type { ActionEvent, BegunAction } from '../actions.js';
import { type Client, createClient } from '../client.js';
import { httpOf } from '../http.js';
import { ScoreboardError } from '../problem.js';
import type { User } from '../session.js';
import type { Outcome } from './outcome.js';

export const ACTION = 'finish-level';
/** The points of a round, until the service has sent the action's. */
const USUAL_POINTS = { min: 1, max: 100 };

export interface RoundsOptions {
  readonly onOutcome: (outcome: Outcome) => void;
  readonly onUser: (user: User | null) => void;
}

/** Sends rounds to the service: each is an action that begins with the round and is posted once when the round is finished. */
export class Rounds {
  readonly client: Client;
  readonly #onOutcome: (outcome: Outcome) => void;
  #points = USUAL_POINTS;
  #isPractice = false;
  #begun: BegunAction | undefined;
  #latest = 0;
  /** Why rounds wait and until when; undefined while none waits. */
  #wait: { readonly error: ScoreboardError; readonly until: number } | undefined;

  constructor({ onOutcome, onUser }: RoundsOptions) {
    this.#onOutcome = onOutcome;
    this.client = createClient({ baseUrl: '', onAction: (event) => this.#onAction(event), onUser });
    void this.#fetchAction();
  }

  get mostPoints(): number {
    return this.#points.max;
  }

  /** Requests the action token. If that fails, the round is played and the token is requested afterwards. */
  begin(): void {
    const round = ++this.#latest;
    this.#begun = undefined;
    if (this.#isPractice) return;
    this.client.beginAction(ACTION).then(
      (begun) => {
        if (round === this.#latest) this.#begun = begun;
      },
      () => {},
    );
  }

  finish(points: number): void {
    if (this.#isPractice) this.#onOutcome({ kind: 'practice' });
    else if (points < this.#points.min) this.#onOutcome({ kind: 'empty' });
    else this.#send(points);
  }

  #send(points: number): void {
    const begun = this.#begun;
    this.#begun = undefined;
    const others = this.client.pending.length;
    // Rounds are sent in order, so this one waits for those before it.
    if (this.#wait && others > 0) this.#onOutcome({ kind: 'kept', rounds: others + 1, ...this.#wait });
    else this.#onOutcome({ kind: 'sending', points });
    this.client.performAction(ACTION, { points, ...(begun && { begun }) }).catch((error: unknown) => {
      // The progress of actions is reported to #onAction(); this handles rounds that were never accepted as one.
      if (!(error instanceof ScoreboardError)) throw error;
      if (error.code === 'queue-full' || error.status === 401)
        this.#onOutcome({ kind: 'refused', points, error });
    });
  }

  async #fetchAction(): Promise<void> {
    const { data } = await httpOf('')
      .GET('/v1/actions')
      .catch(() => ({ data: undefined }));
    if (data === undefined) return;
    const action = data.items.find(({ id, issuer }) => id === ACTION && issuer === 'player');
    this.#isPractice = action === undefined;
    this.#points = action?.points ?? USUAL_POINTS;
  }

  #onAction(event: ActionEvent): void {
    const { points = 0 } = event.action;
    const rounds = this.client.pending.length;
    switch (event.type) {
      case 'counted':
        if (rounds === 0) this.#wait = undefined;
        // While other rounds wait, they are shown instead.
        if (this.#wait) this.#onOutcome({ kind: 'kept', rounds, ...this.#wait });
        else this.#onOutcome({ kind: 'counted', points, receipt: event.receipt });
        return;
      case 'waiting':
        this.#wait = { error: event.error, until: Date.now() + event.retryInMs };
        this.#onOutcome({ kind: 'kept', rounds, ...this.#wait });
        return;
      case 'refused':
        this.#onOutcome({ kind: 'refused', points, error: event.error });
    }
  }
}
