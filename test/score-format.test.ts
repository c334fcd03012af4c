import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { type ScoreUnit, scoreFormat } from '../src/score-format.js';

const MOST = Number.MAX_SAFE_INTEGER;
/** Intl separates with spaces that do not break. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');
const shown = (unit: ScoreUnit | undefined, score: number, language = 'en') =>
  plain(scoreFormat(unit, language)(score));

t.test('scores are written as the game means them', async (t) => {
  const cases: [ScoreUnit | undefined, number, string, string][] = [
    [undefined, 1_234_567, '1,234,567', '1.234.567'],
    [{ kind: 'number', decimals: 2 }, 123_456, '1,234.56', '1.234,56'],
    [{ kind: 'number', decimals: 6 }, -1, '-0.000001', '-0,000001'],
    [{ kind: 'number', prefix: '~', suffix: ' km' }, 1_200, '~1,200 km', '~1.200 km'],
    [{ kind: 'percent' }, 42, '42%', '42 %'],
    [{ kind: 'percent', decimals: 2 }, 9_950, '99.50%', '99,50 %'],
    [{ kind: 'money', currency: 'EUR' }, 123_456, '€1,234.56', '1.234,56 €'],
    [{ kind: 'money', currency: 'JPY' }, 123_456, '¥123,456', '123.456 ¥'],
    [{ kind: 'money', currency: 'KWD' }, 1_234, 'KWD 1.234', '1,234 KWD'],
    [{ kind: 'money', currency: 'USD', decimals: 0 }, 1_234, '$1,234', '1.234 $'],
    [{ kind: 'duration' }, 83_456, '1:23.456', '1:23,456'],
    [{ kind: 'duration' }, 0, '0:00.000', '0:00,000'],
    [{ kind: 'duration' }, 59_999, '0:59.999', '0:59,999'],
    [{ kind: 'duration', decimals: 2 }, 59_999, '0:59.99', '0:59,99'],
    [{ kind: 'duration', decimals: 0 }, 59_999, '0:59', '0:59'],
    [{ kind: 'duration', decimals: 6 }, 1, '0:00.001000', '0:00,001000'],
    [{ kind: 'duration' }, 3_600_000, '1:00:00.000', '1:00:00,000'],
    [{ kind: 'duration' }, -83_456, '-1:23.456', '-1:23,456'],
    [{ kind: 'duration', input: 's' }, 3_599, '59:59', '59:59'],
    [{ kind: 'duration', input: 's' }, 360_000, '100:00:00', '100:00:00'],
    [{ kind: 'duration', input: 'frames' }, 61, '0:01.016', '0:01,016'],
    [{ kind: 'duration', input: 'frames', framesPerSecond: 30 }, 90, '0:03.000', '0:03,000'],
    [{ kind: 'duration', input: 'frames', framesPerSecond: 59.94 }, 5_994, '1:40.000', '1:40,000'],
    [{ kind: 'duration', suffix: ' *' }, 1_000, '0:01.000 *', '0:01,000 *'],
  ];
  for (const [unit, score, english, german] of cases) {
    t.equal(shown(unit, score), english, JSON.stringify(unit));
    t.equal(shown(unit, score, 'de'), german, `${JSON.stringify(unit)} in German`);
  }
  t.equal(shown({ kind: 'duration' }, 83_456, 'ar-EG'), '١:٢٣٫٤٥٦', 'with the digits of the language');
});

const decimals = fc.integer({ min: 0, max: 6 });
const score = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, MOST, -MOST), fc.integer());

t.test('no digit of a score is lost or made up', async () => {
  fc.assert(
    fc.property(decimals, score, (places, value) => {
      const digits = shown({ kind: 'number', decimals: places }, value).replace(/[,.]/g, '');
      assert.equal(Number(digits), value);
      const percent = shown({ kind: 'percent', decimals: places }, value).replace(/[,.%]/g, '');
      assert.equal(Number(percent), value);
      const money = shown({ kind: 'money', currency: 'XXX', decimals: places }, value).replace(/[,.¤ ]/g, '');
      assert.equal(Number(money), value);
    }),
  );
});

t.test('a duration is what a stopwatch shows: all whole parts, and none that is not over', async () => {
  const unit = fc.oneof(
    fc.record({ input: fc.constant('ms' as const), decimals }),
    fc.record({ input: fc.constant('s' as const), decimals }),
    fc.record({
      input: fc.constant('frames' as const),
      decimals,
      framesPerSecond: fc.constantFrom(1, 24, 30, 59.94, 60, 1_000),
    }),
  );
  fc.assert(
    fc.property(unit, score, (given, value) => {
      const text = shown({ kind: 'duration', ...given }, value);
      const [seconds = '', ...larger] = text.replace('-', '').split(':').reverse();
      const [whole = '', fraction = ''] = seconds.split('.');
      assert.equal(text.startsWith('-'), value < 0);
      assert.match(whole, /^[0-5]\d$/);
      assert.equal(fraction.length, given.decimals);
      if (larger[1] !== undefined) assert.match(larger[0] ?? '', /^[0-5]\d$/);
      const all = [Number(whole), ...larger.map(Number)].reduce(
        (sum, part, i) => sum + BigInt(part) * 60n ** BigInt(i),
        0n,
      );
      const part = 10n ** BigInt(given.decimals);
      const parts = all * part + BigInt(fraction || '0');
      const frames = 'framesPerSecond' in given ? given.framesPerSecond : 0;
      // A hundred seconds, so that 59.94 is a whole number too.
      const perSecond = BigInt(Math.round({ ms: 1_000, s: 1, frames }[given.input] * 100));
      const exact = BigInt(Math.abs(value)) * 100n * part;
      assert(parts * perSecond <= exact && exact < (parts + 1n) * perSecond, text);
    }),
  );
});
