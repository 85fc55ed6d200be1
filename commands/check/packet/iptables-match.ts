/** Whether a rule as `iptables-save` prints it is for a packet. Pure. */

import { contains, parseCidr } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import type { Packet } from './packet.ts';
import type { Effect, JudgedRule, Match } from './walk.ts';

/** Names that iptables-save prints for protocol numbers. */
const PROTOCOLS: Readonly<Record<string, number>> = { udp: 17, tcp: 6, icmp: 1, ipencap: 4, all: 0 };

/** @param text what follows the chain's name @param effect what its target does */
export function judgeIptablesRule(text: string, effect: Effect, packet: Packet): JudgedRule {
  const words = text.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  let match: Match = 'yes';
  let negated = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '!') {
      negated = true;
      continue;
    }
    if (word === '-j' || word === '-g') break;
    const value = words[at + 1] ?? '';
    let answer: Match;
    if (word === '-m') {
      at += 1;
      continue;
    }
    [answer, at] = word === '--comment' ? ['yes', at + 1] : [judgeOption(word, value, packet), at + 1];
    if (negated && answer !== 'maybe') answer = answer === 'yes' ? 'no' : 'yes';
    negated = false;
    if (answer === 'no') return { match: 'no', effect };
    if (answer === 'maybe') match = 'maybe';
  }
  return { match, effect };
}

function judgeOption(option: string, value: string, packet: Packet): Match {
  switch (option) {
    case '-s':
      return within(value, packet.from);
    case '-d':
      return within(value, packet.to);
    case '-i':
      return is(value.endsWith('+') ? packet.device.startsWith(value.slice(0, -1)) : packet.device === value);
    // Packets for this node leave by none.
    case '-o':
      return 'no';
    case '-p': {
      const protocol = PROTOCOLS[value] ?? Number(value);
      return Number.isNaN(protocol) ? 'maybe' : is(protocol === 0 || protocol === packet.protocol);
    }
    case '--dport':
    case '--dports':
      return packet.port === undefined
        ? 'no'
        : is(value.split(',').some((part) => inRange(packet.port ?? 0, part)));
    case '--state':
    case '--ctstate':
      return is(value.split(',').includes('NEW'));
    case '--dst-type':
      return is(value.split(',').includes('LOCAL'));
    default:
      return 'maybe';
  }
}

function is(holds: boolean): Match {
  return holds ? 'yes' : 'no';
}

function within(text: string, ip: Ip): Match {
  const cidr = parseCidr(text.includes('/') ? text : `${text}/${ip.family === 4 ? 32 : 128}`);
  return cidr ? is(cidr.ip.family === ip.family && contains(cidr, ip)) : 'maybe';
}

/** `8472` or `8000:9000`, an end left out being the last there is. */
function inRange(port: number, text: string): boolean {
  const [from = '', to = from] = text.split(':');
  return port >= Number(from || 0) && port <= Number(to || 65_535);
}
