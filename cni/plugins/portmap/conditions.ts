/**
 * `conditionsV4` and `conditionsV6` for nf_tables: what packets must be like to be looked at. The part of nft's language
 * that such conditions are written in. Pure.
 */

import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { daddr, saddr } from '../../../shared/nftables/build/address.ts';
import { iifname } from '../../../shared/nftables/build/match.ts';
import type { Part } from '../../../shared/nftables/build/rule.ts';
import { invalidConfig } from '../../protocol/error.ts';

const understood =
  '"ip|ip6 saddr|daddr [!=] ADDRESS[/LENGTH]" and "iifname [!=] NAME" are understood, one after the other';

/** @throws CniError code 7 for what is not understood, with what is */
export function parseConditions(words: readonly string[], family: 4 | 6): readonly Part[] {
  const key = `conditionsV${family}`;
  const tokens = words.flatMap((word) => word.trim().split(' ')).filter((token) => token !== '');
  const parts: Part[] = [];
  let at = 0;
  const refuse = (what: string): Error =>
    invalidConfig(`${key}: ${what}`, { details: `${understood}; for more use the backend iptables` });
  while (at < tokens.length) {
    const word = tokens[at++];
    const field = word === 'ip' || word === 'ip6' ? `${word} ${tokens[at++] ?? ''}` : (word ?? '');
    const op = tokens[at] === '!=' || tokens[at] === '==' ? (tokens[at++] as '!=' | '==') : '==';
    const value = (tokens[at++] ?? '').replace(/^"(.*)"$/, '$1');
    if (value === '') throw refuse(`"${field}" has no value`);
    if (field === 'iifname') {
      parts.push(iifname(value, op));
      continue;
    }
    const match = { 'ip saddr': saddr, 'ip6 saddr': saddr, 'ip daddr': daddr, 'ip6 daddr': daddr }[field];
    if (!match) throw refuse(`"${field}" is not understood`);
    const address = parseCidr(value) ?? parseIp(value);
    const ip = address && ('ip' in address ? address.ip : address);
    if (!address || ip?.family !== family || field.startsWith('ip6') !== (family === 6)) {
      throw refuse(`"${field} ${value}" is no condition of IPv${family}`);
    }
    parts.push(match(address, op));
  }
  return parts;
}
