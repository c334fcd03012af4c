import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
/** An address, and how many of its bits name the network. */
export type Network = readonly [Address, number];

const network = (text: string): Network => ipaddr.parseCIDR(text);

const GLOBAL_UNICAST = network('2000::/3');
/** What a NAT64 translates to IPv4: on a network without IPv4, every IPv4 address is written so. */
const NAT64 = network('64:ff9b::/96');
/** Answers inside of Azure only, with what belongs to the machine. */
const AZURE_PLATFORM = '168.63.129.16';

/** A list of networks as an administrator writes it. @throws Error if one is none */
export const networksOf = (texts: readonly string[]): Network[] =>
  texts.map((text) => network(isIP(text) === 0 ? text : `${text}/${isIP(text) === 4 ? 32 : 128}`));

/**
 * Whether something may be sent to an address: if everybody can reach it, or it is in one of these networks. An IPv4 address
 * inside of an IPv6 address is judged as what it is, if it is mapped or translated by NAT64; the tunnels 6to4 and Teredo, which
 * nobody needs any more, may lead into any network.
 */
export function mayReach(text: string, allowed: readonly Network[]): boolean {
  if (isIP(text) === 0) return false;
  const address = plain(ipaddr.parse(text));
  return allowed.some((one) => isIn(address, one)) || isPublic(address);
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' ? address.toString() !== AZURE_PLATFORM : isIn(address, GLOBAL_UNICAST);
}

function isIn(address: Address, [other, bits]: Network): boolean {
  return address.kind() === other.kind() && address.match(other, bits);
}

/** The IPv4 address that an IPv6 address stands for. */
function plain(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  return isIn(address, NAT64) ? new ipaddr.IPv4(address.toByteArray().slice(-4)) : address;
}
