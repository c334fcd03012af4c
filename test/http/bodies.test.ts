import fc from 'fast-check';
import t from 'tap';
import { parseForm, parseJson } from '../../src/http/bodies.js';

const json = (body: string | Buffer, headers = {}) =>
  parseJson(Buffer.from(body), { 'content-type': 'application/json', ...headers });
const form = (body: string | Buffer, headers = {}) => parseForm(Buffer.from(body), headers);

t.test('JSON comes out as it is stored and shown, or is refused', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = JSON.stringify(value);
      try {
        t.same(JSON.stringify(json(text)), text);
      } catch (error) {
        if (!/__proto__|\\u|\d{16}/.test(text)) throw error;
      }
    }),
  );
  t.same(json('\ufeff{"a":"J\\u00f6rg \\ud83d\\ude00"}'), { a: 'Jörg 😀' }, 'with a byte-order mark');
  t.equal(json(''), undefined);
  const proto = { proto: { __proto: 1 }, prototype: 'x', constructor: { prototype: 'Ferrari' } };
  t.same(json(JSON.stringify(proto)), proto, 'what only looks like a prototype');
});

t.test('what is not well-formed text is malformed, wherever it is', async (t) => {
  for (const body of [
    Buffer.from('{"a":"J\xf6rg"}', 'latin1'),
    Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]),
    Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
    Buffer.from('{"a":1}', 'utf16le'),
    '{"a":"\\u0000"}',
    '{"a":{"b\\u0000":1}}',
    '[[["\\ud800"]]]',
    '{"\\udc00\\ud800":1}',
    '{"a":"\0"}',
    '{"a":',
    '{}{}',
    '[1,]',
    'NaN',
    '01',
    '{"a":0x10}',
  ])
    t.throws(() => json(body), { code: 'malformed-json' }, String(body));
  t.throws(() => json('{"a":{"b":"\\udfff"}}'), { message: /^\/a\/b / });
});

t.test('a prototype is named', async (t) => {
  for (const key of ['__proto__', '\\u005f_proto__', '__proto\\u005f\\u005F'])
    t.throws(() => json(`{"a":[{"${key}":{}}]}`), {
      code: 'validation-failed',
      errors: [{ path: '/a/0', message: 'must not have the property "__proto__"' }],
    });
});

t.test('a number is kept exactly, or is refused by its name', async (t) => {
  const kept = [
    '9007199254740991',
    '-9007199254740991',
    '0',
    '-0',
    '0.0',
    '1e22',
    '0.1',
    '1e-7',
    '1.50E+3',
    '5e-324',
  ];
  // What C and Godot write for a tenth, and C# for a tenth as a float.
  kept.push('0.10000000000000001', '0.10000000149011612', '1.7976931348623157e308');
  for (const number of kept) {
    t.same(json(`{"a":[${number}]}`), { a: [Number(number)] }, number);
    t.same(json(`{"a" : ${number} }`), { a: Number(number) }, number);
  }
  for (const number of [
    '9007199254740992',
    '-9007199254740993',
    '18446744073709551615',
    '9007199254740993.0',
    '90071992547409.93e2',
    '0.1000000000000000055',
    '1e400',
    '-1e400',
    '1e-400',
    `0.${'0'.repeat(15_000)}1`,
    `1${'0'.repeat(15_000)}`,
  ]) {
    for (const body of [`{"a":${number}}`, `{"a":[1,\n ${number}]}`, `[${number}]`])
      t.throws(() => json(body), { code: 'validation-failed' }, number.slice(0, 40));
  }
  t.throws(() => json('{"a":{"b":[1,1e400]}}'), { message: /^\/a\/b\/1 is 1e400, / });
  const asText = { a: '9007199254740993', b: ': 9007199254740993, 1e400 "', 'c: 1e400': '\\' };
  t.same(json(JSON.stringify(asText)), asText, 'in a text it is none');
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const isHuge = Number.isInteger(number) && !Number.isSafeInteger(number) && Math.abs(number) < 1e21;
      fc.pre(!isHuge);
      t.ok(Array.isArray(json(`[${JSON.stringify(number)}]`)));
    }),
  );
});

t.test('a body that is nested as deep as it may be long holds nobody up', async (t) => {
  const nested = (inner: string) => `${'['.repeat(8_000)}${inner}${']'.repeat(8_000)}`;
  const start = process.cpuUsage();
  for (let i = 0; i < 50; i++) {
    json(nested('"\\u0041"'));
    t.throws(() => json(nested('1e400')), { message: /^\/0\/0\/0/ });
  }
  const { user, system } = process.cpuUsage(start);
  // In microseconds. As paths of all values it was a hundred times as long.
  t.ok(user + system < 5_000_000);
});

t.test('a body is UTF-8 that is not encoded further', async (t) => {
  for (const read of [json, form]) {
    for (const charset of ['utf-8', 'UTF-8', 'utf8', '"utf-8"'])
      t.doesNotThrow(() => read('', { 'content-type': `a/b; charset=${charset}` }), charset);
    for (const type of [
      'a/b;charset=iso-8859-1',
      'a/b; x=y; Charset="utf-16"',
      'a/b; charset=',
      'a/b; charset=utf-8; charset=latin1',
    ])
      t.throws(() => read('{}', { 'content-type': type }), { code: 'unsupported-media-type' }, type);
    t.doesNotThrow(() => read('', { 'content-encoding': 'identity' }));
    for (const encoding of ['gzip', 'br', 'identity, gzip', 'x'])
      t.throws(
        () => read('{}', { 'content-encoding': encoding }),
        { code: 'unsupported-media-type' },
        encoding,
      );
  }
});

t.test('a form is a body too', async (t) => {
  t.same(form('a=J%C3%B6rg+x&b==%3D&c&&=d'), [
    ['a', 'Jörg x'],
    ['b', '=='],
    ['c', ''],
    ['', 'd'],
  ]);
  for (const text of ['a=%ff', '%C3=x', 'a=%', 'a=%00', 'a=%ED%A0%80', 'a=\0'])
    t.throws(() => form(text), { code: 'malformed-json' }, text);
  t.throws(() => form(Buffer.from('a=\xf6', 'latin1')), { code: 'malformed-json' });
});
