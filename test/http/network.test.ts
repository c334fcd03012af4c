import fc from 'fast-check';
import t from 'tap';
import { clientOf, isTrusted, networkOf } from '../../src/http/network.js';

t.test('an IPv4 address stands for itself, also where IPv6 wraps it', async (t) => {
  t.equal(networkOf('192.0.2.1'), '192.0.2.1');
  for (const wrapped of ['::ffff:192.0.2.1', '::FFFF:c000:0201', '0:0:0:0:0:ffff:192.0.2.1'])
    t.equal(networkOf(wrapped), '192.0.2.1');
});

t.test('a port that was forwarded with an address does not count', async (t) => {
  t.equal(networkOf('192.0.2.1:51234'), '192.0.2.1');
  t.equal(networkOf('[2001:db8:0:7::1]:51234'), networkOf('2001:db8:0:7::1'));
});

t.test('an IPv6 address stands for its /64, however it is written', async (t) => {
  for (const address of ['2001:db8:0:7::1', '2001:0DB8::7:1:2:3:4', '2001:db8:0:7:0:0:0:0', '2001:db8:0:7::'])
    t.equal(networkOf(address), '2001:db8:0:7::/64', address);
  t.equal(networkOf('::1'), '0:0:0:0::/64');
  t.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64');
  const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, groups, (some, others) => {
      const hex = (numbers: number[]) => numbers.map((number) => number.toString(16));
      const prefix = hex(some.slice(0, 4));
      fc.pre(prefix.some((group) => group !== '0'));
      const neighbour = [...prefix, ...hex(others.slice(4))].join(':');
      return (
        networkOf(hex(some).join(':')) === `${prefix.join(':')}::/64` &&
        networkOf(neighbour) === `${prefix.join(':')}::/64`
      );
    }),
  );
});

t.test('what is no address stands for itself', async (t) => {
  for (const text of ['', 'unknown', '192.0.2.300:80', 'localhost', '::g']) t.equal(networkOf(text), text);
});

t.test('a sender is trusted for its address, however it is written', async (t) => {
  const trusts = isTrusted(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1', '::ffff:172.16.0.0/108']);
  for (const sender of [
    '10.1.2.3',
    '10.1.2.3:4321',
    '::ffff:10.1.2.3',
    '[::ffff:10.1.2.3]:443',
    '192.0.2.7:1',
    '2001:db8::5',
    '[2001:db8::5]',
    '[2001:db8::5]:443',
    '[2001:DB8:0::5%eth0]:443',
    '::1',
    '172.17.0.1',
    '::ffff:172.17.0.1',
  ])
    t.equal(trusts(sender), true, sender);
  for (const sender of [
    '',
    'unknown',
    '_hidden',
    '11.0.0.1',
    '192.0.2.8:80',
    '2001:db9::1',
    '[2001:db9::1]:443',
    '10',
    '012.0.0.1',
    '10.0.0.1:x',
    '10.0.0.1:80:80',
    '[10.0.0.1',
    '10.0.0.1, 10.0.0.1',
    '172.32.0.1',
    '2001:db8::5:443:x',
  ])
    t.equal(trusts(sender), false, sender);
  t.equal(isTrusted([])('10.0.0.1'), false);
});

t.test('the client is what the last trusted proxy has seen; a text that is no address is not', async (t) => {
  const client = (...ips: string[]) => clientOf({ ips, ip: ips.at(-1) ?? '' });
  t.equal(client('10.0.0.1', '10.0.0.2:77', '198.51.100.7:5678'), '198.51.100.7');
  t.equal(client('10.0.0.1', '[2001:db8::1]:443'), '2001:db8::1');
  t.equal(client('::ffff:198.51.100.7'), '198.51.100.7');
  for (const garbage of ['unknown', '', '_x', '198.51.100.7.9', '<script>'])
    t.equal(client('10.0.0.1', '10.0.0.2:77', garbage), '10.0.0.2');
  t.equal(clientOf({ ip: '198.51.100.7' }), '198.51.100.7');
});
