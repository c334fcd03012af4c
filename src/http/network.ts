import { BlockList, isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** As proxies forward an address: some with the port, which is another for each connection, and IPv6 then in brackets. */
const FORWARDED = /^(?:([\d.]+)(?::\d+)?|\[(.+)\](?::\d+)?)$/;

/** The address in a text of X-Forwarded-For, IPv4 also where IPv6 wraps it; undefined if there is none. */
function addressIn(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const [, v4, v6] = FORWARDED.exec(text) ?? [];
  const address = v4 ?? v6 ?? text;
  return isIP(address) === 0 ? undefined : ipaddr.process(address);
}

const withoutZone = (address: ipaddr.IPv4 | ipaddr.IPv6): string => address.toString().replace(/%.*/, '');

/**
 * Tells which senders of X-Forwarded-For are believed.
 * @param ranges addresses and CIDR ranges
 */
export function isTrusted(ranges: readonly string[]): (sender: string) => boolean {
  const trusted = new BlockList();
  for (const range of ranges) {
    const [network, bits] = ipaddr.parseCIDR(
      range.includes('/') ? range : `${range}/${isIP(range) === 4 ? 32 : 128}`,
    );
    const isMapped = network instanceof ipaddr.IPv6 && network.isIPv4MappedAddress() && bits >= 96;
    if (isMapped) trusted.addSubnet(network.toIPv4Address().toString(), bits - 96, 'ipv4');
    else trusted.addSubnet(network.toString(), bits, network.kind());
  }
  return (sender) => {
    const address = addressIn(sender);
    return address !== undefined && trusted.check(withoutZone(address), address.kind());
  };
}

/**
 * The address of the client of a request: what the last trusted proxy has forwarded, or that proxy itself if it has forwarded
 * no address. Of a text that anybody can make up there would be as many clients as they like.
 */
export function clientOf({
  ips = [],
  ip,
}: {
  readonly ips?: readonly string[];
  readonly ip: string;
}): string {
  for (const text of ips.toReversed()) {
    const address = addressIn(text);
    if (address !== undefined) return address.toString();
  }
  return ip;
}

/**
 * The network that an address is counted as, for requests and streams: the address itself for IPv4, however it is written, and
 * its /64 for IPv6, since a client that has one address of a /64 has all of them.
 * @param address anything else is returned as it is
 */
export function networkOf(address: string): string {
  // Most are: Node takes IPv4 in its only usual form.
  if (isIPv4(address)) return address;
  const ip = addressIn(address);
  if (ip === undefined) return address;
  if (ip instanceof ipaddr.IPv4) return ip.toString();
  const prefix = ip.parts.slice(0, 4).map((group) => group.toString(16));
  return `${prefix.join(':')}::/64`;
}
