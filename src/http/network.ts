import { isIP } from 'node:net';

/** Some load balancers forward the port too, which is another for each connection. */
const WITH_PORT = /^(?:([\d.]+)|\[(.+)\]):\d+$/;

/**
 * Whom an address stands for, where requests and streams are counted: the address itself for IPv4, however it is written,
 * and its /64 for IPv6, since a client with one address of a /64 has all of them.
 */
export function networkOf(forwarded: string): string {
  const [, v4 = '', v6 = ''] = WITH_PORT.exec(forwarded) ?? [];
  const address = [v4, v6].find((text) => isIP(text) !== 0) ?? forwarded;
  if (isIP(address) !== 6) return address;
  const [withoutZone = ''] = address.split('%');
  const { hostname } = new URL(`http://[${withoutZone}]`);
  const [left = [], right = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  if (groups.slice(0, 6).join() === '0,0,0,0,0,ffff') {
    const bytes = groups
      .slice(6)
      .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
    return bytes.join('.');
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}
