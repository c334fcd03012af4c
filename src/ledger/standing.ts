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
 * Adds up the events of one user on one board, one after the other in the order in which they were accepted. It shares nothing with the
 * statements that write scores, and keeps a few numbers, however many events there are.
 */
export class Recount {
  readonly #rules: Rules;
  readonly #claim: Standing | null;
  #score: bigint | null = null;
  #since = 0;
  /** When the event was accepted that has made it. */
  #sinceAccepted = 0;
  #last = 0;
  /** Whether a sum has come about by something. */
  #hasAdded = false;
  /** What supports the claim: when the event was accepted that has its time, and when the last event with its score was. */
  #acceptedThen: number | null = null;
  #lastWithClaim = Number.NEGATIVE_INFINITY;
  /** When the event before the last change was, and the first one that surely was recorded after that event. */
  #beforeChange = 0;
  #surelyAfter: number | null = null;

  /** @param claim what is stored: null is no score */
  constructor(rules: Rules, claim: Standing | null) {
    this.#rules = rules;
    this.#claim = claim;
  }

  /**
   * @param at when the event was accepted, in milliseconds since 1970: not before the event before
   * @param achieved the same, or for an imported event the time that was given with it
   * @param hasAdded whether it has added something to a sum; what is archived always counts as if
   */
  add(points: bigint, at: number, achieved = at, hasAdded = points !== 0n): void {
    const score = this.#after(points);
    // A sum is as old as the youngest that was added to it.
    const isOlder = this.#rules.operator === 'increment' && this.#hasAdded && achieved < this.#since;
    this.#hasAdded ||= hasAdded;
    if (score !== this.#score) {
      this.#beforeChange = this.#score === null ? at : this.#last;
      this.#surelyAfter = null;
      this.#score = score;
      if (!isOlder) {
        this.#since = achieved;
        this.#sinceAccepted = at;
      }
    } else if (at > this.#beforeChange + ORDER_UNKNOWN_MS) {
      this.#surelyAfter ??= at;
    }
    this.#last = at;
    if (achieved === this.#claim?.since) this.#acceptedThen = at;
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
    return this.#acceptedThen !== null && this.#mayBe(claim.score, this.#acceptedThen)
      ? 'right in another order'
      : 'wrong';
  }

  /** @param accepted when the event was accepted that has made the score */
  #mayBe(score: bigint, accepted: number): boolean {
    const [earliest, latest] = this.#possibleTimes();
    if (score === this.#score) return earliest <= accepted && accepted <= latest;
    // Another event was recorded last.
    const lastBegins = this.#last - ORDER_UNKNOWN_MS;
    return this.#rules.operator === 'latest' && this.#lastWithClaim >= lastBegins && accepted >= lastBegins;
  }

  /** When that event may have been accepted. */
  #possibleTimes(): [earliest: number, latest: number] {
    if (this.#rules.operator !== 'latest')
      return [this.#sinceAccepted, this.#sinceAccepted + ORDER_UNKNOWN_MS];
    // Of equal scores in a row, the one counts that was recorded first after the last other score.
    return [this.#beforeChange - ORDER_UNKNOWN_MS, (this.#surelyAfter ?? this.#last) + ORDER_UNKNOWN_MS];
  }
}
