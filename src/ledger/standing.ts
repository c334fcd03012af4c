import type { Sort } from '../leaderboard/entry.js';

/** How the events of a user become a score on a board. */
export interface Rules {
  readonly sort: Sort;
  readonly operator: 'increment' | 'best' | 'latest';
}

export interface Standing {
  readonly score: bigint;
  /** Since when, in milliseconds since 1970. */
  readonly since: number;
}

/**
 * Two events of a user that are not this far apart may have been recorded in the other order than that of their times, in
 * milliseconds: a submission is tried for 5 s, and the last try may take as long as a statement may.
 */
const ORDER_UNKNOWN_MS = 10_000;

/**
 * Adds up the events of one user on one board, one after the other in the order of their times. It shares nothing with the
 * statements that write scores, and keeps a few numbers, however many events there are.
 */
export class Recount {
  readonly #rules: Rules;
  readonly #claim: Standing | null;
  #score: bigint | null = null;
  #since = 0;
  #last = 0;
  /** What supports the claim: whether an event has its time, and when the last event with its score was. */
  #hasEventThen = false;
  #lastWithClaim = Number.NEGATIVE_INFINITY;
  /** When the event before the last change was, and the first one that surely was recorded after that event. */
  #beforeChange = 0;
  #surelyAfter: number | null = null;

  /** @param claim what is stored: null is no score */
  constructor(rules: Rules, claim: Standing | null) {
    this.#rules = rules;
    this.#claim = claim;
  }

  /** @param at when the event was accepted, in milliseconds since 1970: not before the event before */
  add(points: bigint, at: number): void {
    const score = this.#after(points);
    if (score !== this.#score) {
      this.#beforeChange = this.#score === null ? at : this.#last;
      this.#surelyAfter = null;
      this.#score = score;
      this.#since = at;
    } else if (at > this.#beforeChange + ORDER_UNKNOWN_MS) {
      this.#surelyAfter ??= at;
    }
    this.#last = at;
    if (at === this.#claim?.since) this.#hasEventThen = true;
    if (points === this.#claim?.score) this.#lastWithClaim = at;
  }

  #after(points: bigint): bigint {
    const { sort, operator } = this.#rules;
    const before = this.#score;
    if (before === null || operator === 'latest') return points;
    if (operator === 'increment') return before + points;
    return (sort === 'desc' ? points > before : points < before) ? points : before;
  }

  get standing(): Standing | null {
    return this.#score === null ? null : { score: this.#score, since: this.#since };
  }

  /** Whether the claim is what the events say; `in another order` if it is what they say as they may have been recorded. */
  judge(): 'right' | 'right in another order' | 'wrong' {
    const claim = this.#claim;
    if (claim?.score === this.#score && claim.since === this.#since) return 'right';
    if (claim === null) return this.#score === null ? 'right' : 'wrong';
    return this.#hasEventThen && this.#mayBe(claim) ? 'right in another order' : 'wrong';
  }

  #mayBe({ score, since }: Standing): boolean {
    const [earliest, latest] = this.#possibleTimes();
    if (score === this.#score) return earliest <= since && since <= latest;
    // Another event was recorded last.
    const lastBegins = this.#last - ORDER_UNKNOWN_MS;
    return this.#rules.operator === 'latest' && this.#lastWithClaim >= lastBegins && since >= lastBegins;
  }

  /** When the score may have been reached. */
  #possibleTimes(): [earliest: number, latest: number] {
    if (this.#rules.operator !== 'latest') return [this.#since, this.#since + ORDER_UNKNOWN_MS];
    // Of equal scores in a row, the one counts that was recorded first after the last other score.
    return [this.#beforeChange - ORDER_UNKNOWN_MS, (this.#surelyAfter ?? this.#last) + ORDER_UNKNOWN_MS];
  }
}
