import { networkU16 } from './bytes.ts';
import type { Part } from './rule.ts';

/** IPPROTO_* of linux/in.h. */
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

/** Offsets of the ports in the header of TCP, UDP and SCTP alike. */
const OFFSET = { sport: 0, dport: 2 } as const;

/** Ports as a person gives them: one, or the first and the last of a range. */
export type Ports = number | readonly [number, number];

/** `meta l4proto tcp`, for instance. */
export function l4protoIs(protocol: keyof typeof PROTOCOL): Part {
  return (draft) => draft.needTransport(PROTOCOL[protocol]);
}

/** `tcp dport 80` or `udp dport 100-200`, for instance. */
export function dport(protocol: 'tcp' | 'udp' | 'sctp', ports: Ports, op: '==' | '!=' = '=='): Part {
  return matchPorts(protocol, 'dport', ports, op);
}

/** `tcp sport 80`, for instance. */
export function sport(protocol: 'tcp' | 'udp' | 'sctp', ports: Ports, op: '==' | '!=' = '=='): Part {
  return matchPorts(protocol, 'sport', ports, op);
}

function matchPorts(
  protocol: 'tcp' | 'udp' | 'sctp',
  side: keyof typeof OFFSET,
  ports: Ports,
  op: '==' | '!=',
): Part {
  return (draft) => {
    draft.needTransport(PROTOCOL[protocol]);
    draft.push({ kind: 'payload', base: 'transport', offset: OFFSET[side], length: 2, dest: 0 });
    if (typeof ports === 'number') {
      draft.push({ kind: 'cmp', source: 0, op, value: networkU16(ports) });
      return;
    }
    const [from, to] = [networkU16(ports[0]), networkU16(ports[1])];
    if (op === '!=') draft.push({ kind: 'range', source: 0, op, from, to });
    else {
      draft.push(
        { kind: 'cmp', source: 0, op: '>=', value: from },
        { kind: 'cmp', source: 0, op: '<=', value: to },
      );
    }
  };
}
