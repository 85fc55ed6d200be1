/** Sends a connection's first packet through the table, as the kernel would. */

import type { TableRef } from '../../../../shared/nftables/model/table.ts';
import type { Nftables } from '../../../../shared/nftables/nftables.ts';
import { type Packet, throughHook, type World } from '../../../../shared/nftables/testing/walk.ts';
import type { ModeSettings } from '../../mode.ts';
import { type Address, bytesOf, type Endpoint, endpointOf } from '../../model/endpoint.ts';
import { PROTOCOL_NUMBER } from '../../model/service-port.ts';
import type { Probe } from '../../testing/oracle.ts';
import { packed } from '../keys.ts';

export interface Outcome {
  readonly fate: 'served' | 'rejected' | 'dropped' | 'untouched';
  readonly by?: Endpoint;
  readonly masqueraded?: boolean;
}

export interface Way {
  readonly ref: TableRef;
  /** The table as a look-up finds it: asked anew each time. */
  readonly table: () => Nftables;
  readonly nodeAddresses: readonly Address[];
  readonly random: (modulus: number) => number;
  readonly settings: ModeSettings;
}

export function send(way: Way, probe: Probe): Outcome {
  const packet: Packet = {
    saddr: bytesOf(probe.source),
    daddr: bytesOf(probe.target),
    protocol: PROTOCOL_NUMBER[probe.protocol],
    sport: 40_000,
    dport: probe.port,
    mark: 0,
    priority: 0,
    iifname: probe.from === 'pod' ? 'veth1' : probe.from === 'outside' ? 'eth0' : '',
    isTranslated: false,
    isMasqueraded: false,
  };
  const isLocal = (address: Uint8Array): boolean => way.nodeAddresses.some((own) => own === packed(address));
  const world: World = { table: way.table, ref: way.ref, isLocal, random: way.random };
  const hooks = probe.from === 'node' ? (['output'] as const) : (['prerouting'] as const);
  for (const hook of hooks) {
    const fate = throughHook(world, hook, packet);
    if (fate !== 'accept') return { fate: fate === 'drop' ? 'dropped' : 'rejected' };
  }
  const next = isLocal(packet.daddr) ? 'input' : probe.from === 'node' ? undefined : 'forward';
  if (next !== undefined) {
    const fate = throughHook(world, next, packet);
    if (fate !== 'accept') return { fate: fate === 'drop' ? 'dropped' : 'rejected' };
  }
  if (next !== 'input' || probe.from === 'node') throughHook(world, 'postrouting', packet);
  // What this table left in the packet is seen by queueing disciplines and by other programs.
  const bit = (1 << way.settings.masqueradeBit) >>> 0;
  if (packet.priority !== 0) throw new Error(`priority ${packet.priority.toString(16)} is left`);
  if (packet.mark !== 0 && packet.mark !== bit) throw new Error(`mark ${packet.mark} is left`);
  if (packet.mark !== 0 && next !== 'input') throw new Error('the masquerade bit is left');
  if (!packet.isTranslated) return { fate: 'untouched' };
  const by = endpointOf(packed(packet.daddr) as Address, packet.dport);
  return { fate: 'served', by, masqueraded: packet.isMasqueraded };
}
