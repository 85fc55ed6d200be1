/** The parts that rules are made of, each in the form and place that `iptables-save` gives it. Pure. */

import { type Cidr, formatCidr, networkOf } from '../../../shared/ip/cidr.ts';
import type { ModeSettings } from '../mode.ts';
import { type Address, type Family, formatAddress } from '../model/endpoint.ts';
import type { LocalDetector, Protocol } from '../model/service-port.ts';
import type { RuleText } from './tables.ts';

/** The statistic match keeps a probability in 31 bits (xt_statistic.h), and prints it back to 11 digits. */
const PROBABILITY_UNIT = 0x8000_0000;

/** Words that are there, with a space between them. */
export function rule(...parts: readonly string[]): RuleText {
  let text = '';
  for (const part of parts) if (part !== '') text += text === '' ? part : ` ${part}`;
  return text;
}

export function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}

export function host(flag: '-s' | '-d', address: Address): string {
  return `${flag} ${formatAddress(address)}/${address.length * 8}`;
}

/** Networks in words: those of the settings are asked for with every service. */
const networks = new WeakMap<Cidr, string>();

/** Nothing for a network that is everything. */
export function network(flag: '-s' | '-d' | '! -s' | '! -d', cidr: Cidr): string {
  if (cidr.prefix === 0 && !flag.startsWith('!')) return '';
  const known = networks.get(cidr);
  if (known !== undefined) return `${flag} ${known}`;
  const text = formatCidr(networkOf(cidr));
  networks.set(cidr, text);
  return `${flag} ${text}`;
}

/** `-p` stands before all matches, what looks at the port behind the comment. */
export function protocol(name: Protocol): string {
  return `-p ${name.toLowerCase()}`;
}

export function toPort(name: Protocol, port: number): string {
  return `-m ${name.toLowerCase()} --dport ${port}`;
}

export function jump(chain: string): string {
  return `-j ${chain}`;
}

export function reject(family: Family): string {
  return `-j REJECT --reject-with ${family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable'}`;
}

/** A chance of 1 in `n`. */
export function chance(n: number): string {
  // As kube-proxy writes it, in ten digits; the kernel keeps the nearest that it has.
  const kept = Math.round(Number((1 / n).toFixed(10)) * PROBABILITY_UNIT) / PROBABILITY_UNIT;
  return `-m statistic --mode random --probability ${kept.toFixed(11)}`;
}

export function remembered(chain: string, family: Family, seconds?: number): string {
  const mask = family === 4 ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
  const how = seconds === undefined ? '--set' : `--rcheck --seconds ${seconds} --reap`;
  return `-m recent ${how} --name ${chain} --mask ${mask} --rsource`;
}

export function markOf({ masqueradeBit }: ModeSettings): string {
  return `0x${(2 ** masqueradeBit).toString(16)}`;
}

/** Matches what comes from this node's pods: one for each rule that it takes; none where that cannot be told. */
export function fromPods(detector: LocalDetector): readonly string[] {
  switch (detector.by) {
    case 'nothing':
      return [];
    case 'source':
      return detector.networks.map((one) => network('-s', one));
    case 'bridge':
      return [`-i ${detector.name}`];
    case 'interface-prefix':
      return [`-i ${detector.prefix}+`];
    default:
      return detector satisfies never;
  }
}
