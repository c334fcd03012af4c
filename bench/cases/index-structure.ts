import { RankIndex } from '../../src/leaderboard/rank-index/rank-index.js';
import type { Case } from '../case.js';
import { median } from '../pairs.js';
import { userId } from '../players.js';
import { heldBytes } from '../usage.js';

const ENTRIES = 1_000_000;
const ROUNDS = 5;
const UPDATES = 200_000;
const HIGHEST = 1_000_000;

const random = (below: number): number => Math.floor(Math.random() * below);

export const indexStructure: Case = async () => {
  const before = heldBytes();
  const index = new RankIndex('desc');
  const users = Array.from({ length: UPDATES }, () => userId(1 + random(ENTRIES)));
  const own = heldBytes() - before;
  for (let n = 1; n <= ENTRIES; n++) {
    index.apply({ userId: userId(n), score: random(HIGHEST), achievedAt: 1_790_000_000_000 + n, version: 1 });
  }
  const bytes = (heldBytes() - before - own) / ENTRIES;
  const rounds = Array.from({ length: ROUNDS }, (_, round) => {
    const start = performance.now();
    for (const [n, user] of users.entries()) {
      index.apply({
        userId: user,
        score: random(HIGHEST),
        achievedAt: 1_790_001_000_000 + n,
        version: 2 + round * UPDATES + n,
      });
      if (index.rank(user) === undefined) throw new Error('A rank is missing');
    }
    return ((performance.now() - start) * 1000) / UPDATES;
  });
  return [
    {
      what: 'index: microseconds to update and rank one of 1,000,000 entries, random',
      against: '',
      figure: median(rounds),
      target: { atMost: 5 },
    },
    { what: 'index: bytes an entry', against: '', figure: bytes, target: { atMost: 120 } },
  ];
};
