import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { firstIdAt, idFromWords, idPattern, newId, readIdWords } from '../src/ids.js';

/** Valid vectors of the TypeID specification, with another prefix. */
const VECTORS = {
  '00000000-0000-0000-0000-000000000000': '00000000000000000000000000',
  '00000000-0000-0000-0000-000000000001': '00000000000000000000000001',
  '00000000-0000-0000-0000-00000000000a': '0000000000000000000000000a',
  '00000000-0000-0000-0000-000000000010': '0000000000000000000000000g',
  '00000000-0000-0000-0000-000000000020': '00000000000000000000000010',
  'ffffffff-ffff-ffff-ffff-ffffffffffff': '7zzzzzzzzzzzzzzzzzzzzzzzzz',
  '0110c853-1d09-52d8-d73e-1194e95b5f19': '0123456789abcdefghjkmnpqrs',
  '01890a5d-ac96-774b-bcce-b302099a8057': '01h455vb4pex5vsknk084sn02q',
};

const word = fc.oneof(fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff), fc.nat(0xffff_ffff));
const fourWords = fc.uint32Array({ minLength: 4, maxLength: 4 });
const edgeWords = fc.tuple(word, word, word, word).map((words) => Uint32Array.from(words));
const anyWords = fc.oneof(fourWords, edgeWords);

function wordsOf(id: string): Uint32Array {
  const words = new Uint32Array(4);
  assert.ok(readIdWords('usr', id, words, 0), id);
  return words;
}

function uuidOf(words: Uint32Array): string {
  const hex = Array.from(words, (part) => part.toString(16).padStart(8, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

t.test('ids and UUIDs convert as in the TypeID specification', async (t) => {
  for (const [uuid, suffix] of Object.entries(VECTORS)) {
    const words = wordsOf(`usr_${suffix}`);
    t.equal(uuidOf(words), uuid);
    t.equal(idFromWords('usr', words, 0), `usr_${suffix}`);
  }
});

t.test('an id survives the way to words and back, at any offset', async () => {
  fc.assert(
    fc.property(anyWords, fc.nat(3), (words, offset) => {
      const target = new Uint32Array(8).fill(0xffff_ffff);
      const id = idFromWords('evt', words, 0);
      return (
        readIdWords('evt', id, target, offset) &&
        target.subarray(offset, offset + 4).every((part, i) => part === words[i]) &&
        target.every((part, i) => (i >= offset && i < offset + 4) || part === 0xffff_ffff) &&
        idFromWords('evt', target, offset) === id
      );
    }),
  );
});

t.test('the order of ids as text is the order of their words', async () => {
  fc.assert(
    fc.property(anyWords, anyWords, (a, b) => {
      const asText = idFromWords('usr', a, 0) < idFromWords('usr', b, 0);
      return asText === uuidOf(a) < uuidOf(b);
    }),
  );
});

t.test('text that is no id with the prefix is refused', async (t) => {
  const words = new Uint32Array(4);
  const wrong = [
    '',
    'usr_',
    'usr_01h455vb4pex5vsknk084sn02', // too short
    'usr_01h455vb4pex5vsknk084sn02qq', // too long
    'usr_81h455vb4pex5vsknk084sn02q', // over 128 bits
    'usr_01H455VB4PEX5VSKNK084SN02Q',
    'usr_01h455vb4pex5vsknk084sn02u', // u, i, l, o are not in the alphabet
    'usr_01h455vb4pex5vsknk084sn02ı', // nor is anything beyond Latin 1
    'usr-01h455vb4pex5vsknk084sn02q',
    'evt_01h455vb4pex5vsknk084sn02q',
  ];
  for (const id of wrong) {
    t.notOk(readIdWords('usr', id, words, 0), id);
    t.notMatch(id, new RegExp(idPattern('usr')));
  }
});

t.test('new ids are UUIDv7 of now and match the pattern of their prefix', async (t) => {
  const before = Date.now();
  const id = newId('usr');
  const after = Date.now();
  t.match(id, new RegExp(idPattern('usr')));
  const uuid = uuidOf(wordsOf(id));
  t.match(uuid, /^.{8}-.{4}-7.{3}-[89ab].{3}-.{12}$/);
  const time = Number.parseInt(uuid.replace('-', '').slice(0, 12), 16);
  t.ok(time >= before && time <= after, `${time} is from ${before} to ${after}`);
});

t.test(
  'the first id of a time is not after those of that time, and after those of any time before',
  async (t) => {
    const before = Date.now();
    const id = newId('evt');
    t.ok(firstIdAt('evt', before) <= id);
    t.ok(id < firstIdAt('evt', Date.now() + 1));
    t.match(firstIdAt('evt', before), new RegExp(idPattern('evt')));
    t.equal(firstIdAt('evt', -1), firstIdAt('evt', 0));
  },
);

t.test('new ids only grow, also when the clock is set back', async (t) => {
  const start = Date.now() + 1_000;
  const clock = [start, start, start + 1, start - 500, start - 500, start + 1, start + 2];
  const now = Date.now;
  t.teardown(() => {
    Date.now = now;
  });
  let last = newId('tok');
  let grown = true;
  for (let i = 0; i < 100_000; i++) {
    Date.now = () => clock[Math.floor((i * clock.length) / 100_000)] ?? start;
    const id = newId('tok');
    grown &&= id > last;
    last = id;
  }
  t.ok(grown);
});
