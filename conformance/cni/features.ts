/** What the plugin types need of the kernel, found by trying it in a namespace of the probe's own. */

import { createNetns, deleteNetns } from '../../shared/sys/netns.ts';
import { run } from '../testing/netns.ts';

/** A link to hang others on. */
const parent = 'link add name parent type veth peer name other';

/** `ip` (or `tc`) command lines that work where a type, or a part of one, does. */
const probes: Readonly<Record<string, readonly string[]>> = {
  bandwidth: [
    'ip link add name one type ifb',
    'tc qdisc add dev one root tbf rate 1mbit burst 10kb latency 25ms',
  ],
  bridge: ['ip link add name one type bridge'],
  'bridge with VLANs': ['ip link add name one type bridge vlan_filtering 1'],
  dummy: ['ip link add name one type dummy'],
  ipvlan: [`ip ${parent}`, 'ip link add name one link parent type ipvlan mode l2'],
  macvlan: [`ip ${parent}`, 'ip link add name one link parent type macvlan mode bridge'],
  sbr: ['ip rule add from 10.0.0.1 table 100'],
  tap: ['ip tuntap add one mode tap'],
  vlan: [`ip ${parent}`, 'ip link add name one link parent type vlan id 5'],
  vrf: ['ip link add name one type vrf table 10'],
};

const known = new Map<string, string | undefined>();

/**
 * Why a type cannot work on this kernel, printed once; undefined if it can. Call it in a namespace with an empty
 * /run/netns (see `enterWorld`).
 */
export function missingFeature(type: string): string | undefined {
  if (known.has(type)) return known.get(type);
  const reason = probe(probes[type] ?? []);
  known.set(type, reason);
  if (reason !== undefined) process.stderr.write(`skipped: type ${type}: this kernel refuses ${reason}\n`);
  return reason;
}

function probe(lines: readonly string[]): string | undefined {
  const path = '/run/netns/probe';
  createNetns(path);
  try {
    for (const line of lines) {
      const [program = '', ...args] = line.split(' ');
      run(program, '-n', 'probe', ...args);
    }
    return undefined;
  } catch (error) {
    return String(error).replace(/\s+/g, ' ');
  } finally {
    deleteNetns(path);
  }
}
