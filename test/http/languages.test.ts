import t from 'tap';
import { languagesOf, scoreWriting, titleIn } from '../../src/http/languages.js';

t.test('languages come in the order of their weights, without what is none', async (t) => {
  const cases: [string | undefined, string[]][] = [
    [undefined, []],
    ['', []],
    ['de', ['de']],
    ['de-CH, en;q=0.5, fr;q=0.8', ['de-CH', 'fr', 'en']],
    ['en;q=0.5 , de ; q=0.9', ['de', 'en']],
    ['*;q=0.1, pt-BR', ['pt-BR']],
    ['de;q=0, en', ['en']],
    ['zh-Hant-HK-x-private, en-u-nu-arab', ['zh-Hant-HK', 'en']],
    ['de;q=nonsense, en;q=', ['en']],
    ['not_a_tag, 12, ;;;, q=1', []],
    [Array.from({ length: 100 }, () => 'de').join(), Array.from({ length: 8 }, () => 'de')],
  ];
  for (const [header, expected] of cases) t.same(languagesOf(undefined, header), expected, `${header}`);
  t.same(languagesOf('fr', 'de'), ['fr'], 'what is asked for comes before what the browser says');
});

t.test('a title is in the first language that it has', async (t) => {
  const titles = { en: 'World', de: 'Welt', 'pt-BR': 'Mundo', 'zh-Hant': '世界' };
  const cases: [string[], string][] = [
    [['de'], 'Welt'],
    [['de-AT'], 'Welt'],
    [['DE'], 'Welt'],
    [['pt'], 'Mundo'],
    [['pt-PT', 'de'], 'Mundo'],
    [['fr', 'de'], 'Welt'],
    [['zh-Hant-HK'], '世界'],
    [['und'], 'Default'],
    [[], 'Default'],
    [['fr'], 'Default'],
  ];
  for (const [languages, expected] of cases)
    t.equal(titleIn({ title: 'Default', titles }, languages), expected, languages.join());
  t.equal(titleIn({ title: 'Default' }, ['de']), 'Default');
});

t.test('scores are written in the first language that Intl knows, else in English', async (t) => {
  const unit = { kind: 'number', decimals: 1 } as const;
  t.equal(scoreWriting(unit, ['tlh', 'pt-BR']).write(12_345), '1.234,5');
  t.equal(scoreWriting(unit, ['und']).write(12_345), '1,234.5');
  t.equal(scoreWriting(unit, []).locale, 'en');
  t.equal(scoreWriting(unit, ['de-XX']).locale, 'de', 'one of few');
  t.equal(scoreWriting(unit, ['de']), scoreWriting({ ...unit }, ['de']), 'made once');
});
