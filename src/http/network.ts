import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Some load balancers forward the port too, which is another for each connection. */
const WITH_PORT = /^(?:([\d.]+)|\[(.+)\]):\d+$/;

/**
 * The network that an address is counted as, for requests and streams: the address itself for IPv4, however it is written, and
 * its /64 for IPv6, since a client that has one address of a /64 has all of them.
 * @param forwarded an address, perhaps with a port; anything else is returned as it is
 */
export function networkOf(forwarded: string): string {
  if (isIPv4(forwarded)) return forwarded;
  const [, v4, v6] = WITH_PORT.exec(forwarded) ?? [];
  const address = v4 ?? v6 ?? forwarded;
  if (isIP(address) === 0) return forwarded;
  const ip = ipaddr.process(address);
  if (ip instanceof ipaddr.IPv4) return ip.toString();
  const prefix = ip.parts.slice(0, 4).map((group) => group.toString(16));
  return `${prefix.join(':')}::/64`;
}
