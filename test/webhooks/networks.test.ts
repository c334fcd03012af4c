import t from 'tap';
import { mayReach, networksOf } from '../../src/webhooks/networks.js';

/** What nobody else can reach, or only somebody inside, and why. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['0.0.0.0', 'this host'],
  ['0.1.2.3', 'this network'],
  ['10.0.0.1', 'private'],
  ['10.255.255.255', 'private'],
  ['100.64.0.1', 'behind the NAT of a carrier'],
  ['100.100.100.200', 'metadata of Alibaba'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['168.63.129.16', 'platform of Azure'],
  ['169.254.169.254', 'metadata of AWS, Azure, Google'],
  ['169.254.170.2', 'credentials of ECS'],
  ['172.16.0.1', 'private'],
  ['172.31.255.255', 'private'],
  ['192.0.0.192', 'metadata of Oracle'],
  ['192.0.2.1', 'documentation'],
  ['192.88.99.1', 'relays of 6to4'],
  ['192.168.1.1', 'private'],
  ['198.18.0.1', 'benchmarks'],
  ['198.51.100.1', 'documentation'],
  ['203.0.113.1', 'documentation'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.250', 'multicast'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'this host'],
  ['::1', 'loopback'],
  ['::7f00:1', 'IPv4-compatible loopback'],
  ['::ffff:127.0.0.1', 'mapped loopback'],
  ['::ffff:a9fe:a9fe', 'mapped metadata'],
  ['::ffff:0:127.0.0.1', 'translated loopback'],
  ['64:ff9b::10.0.0.1', 'private behind NAT64'],
  ['64:ff9b::7f00:1', 'loopback behind NAT64'],
  ['64:ff9b:1::808:808', 'local NAT64'],
  ['100::1', 'discard'],
  ['2001::1', 'Teredo'],
  ['2001:0:4136:e378:8000:63bf:3fff:fdd2', 'Teredo to a public address'],
  ['2001:db8::1', 'documentation'],
  ['2001:20::1', 'ORCHID'],
  ['2002:7f00:1::', '6to4 to loopback'],
  ['2002:c0a8:101::1', '6to4 to a private address'],
  ['2002:808:808::1', '6to4 to a public address'],
  ['3fff::1', 'documentation'],
  ['5f00::1', 'segment routing'],
  ['fc00::1', 'unique local'],
  ['fd00:ec2::254', 'metadata of AWS'],
  ['fe80::1', 'link-local'],
  ['fec0::1', 'site-local'],
  ['ff02::1', 'multicast'],
  ['4000::1', 'not assigned'],
  ['localhost', 'no address'],
  ['0x7f.1', 'no address as PostgreSQL, DNS or URLs write it'],
  ['', 'nothing'],
];

const REACHED = [
  '1.1.1.1',
  '8.8.8.8',
  '100.63.255.255',
  '162.159.128.233',
  '172.15.255.255',
  '172.32.0.1',
  '192.0.1.1',
  '223.255.255.255',
  '::ffff:8.8.8.8',
  '64:ff9b::808:808',
  '2001:4860:4860::8888',
  '2606:4700:4700::1111',
];

t.test('what is not public is not reached', async (t) => {
  for (const [address, why] of REFUSED) t.equal(mayReach(address, []), false, `${address}: ${why}`);
});

t.test('what is public is reached', async (t) => {
  for (const address of REACHED) t.equal(mayReach(address, []), true, address);
});

t.test('networks of an administrator are reached, also as they are written in IPv6', async (t) => {
  const allowed = networksOf(['10.1.0.0/16', '192.168.1.7', 'fd12::/32']);
  for (const address of ['10.1.2.3', '192.168.1.7', 'fd12::1', '::ffff:10.1.2.3', '8.8.8.8'])
    t.equal(mayReach(address, allowed), true, address);
  for (const address of ['10.2.0.1', '192.168.1.8', 'fd13::1', '127.0.0.1', '::ffff:10.2.0.1'])
    t.equal(mayReach(address, allowed), false, address);
});
