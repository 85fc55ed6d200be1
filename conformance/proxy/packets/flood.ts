/**
 * Takes endpoints away and brings them back while packets pour in, each the first of a connection, and counts those that
 * were led to nobody. What was translated is counted and dropped before it is tracked, so that no table fills up.
 */

import { join } from 'node:path';
import type { Mode } from '../../../cni/proxy/mode.ts';
import { endpointOf } from '../../../cni/proxy/model/endpoint.ts';
import type { ServicePort } from '../../../cni/proxy/model/service-port.ts';
import { Ports } from '../../../cni/proxy/testing/ports.ts';
import { ipJson, nftJson, run } from '../../testing/netns.ts';
import { slowness } from '../../testing/slowness.ts';
import { ADDRESSES, packedAddress } from './addresses.ts';

export interface FloodResult {
  readonly removals: number;
  readonly seconds: number;
  /** Packets that an endpoint got. */
  readonly translated: number;
  /** Packets that nobody got. */
  readonly untranslated: number;
}

/** Endpoints that there may be; nobody listens there. */
const ENDPOINTS = 8;

const at = ADDRESSES[4];
const [target] = at.clusterIps;

/** @param until whether it is enough: asked after each removal */
export async function flood(
  mode: Mode,
  seconds: number,
  until: (removals: number) => boolean = () => false,
): Promise<FloodResult> {
  countPackets();
  const ports = new Ports(portWith(Array.from({ length: ENDPOINTS }, (_, number) => number)));
  await mode.replace(ports);
  const sender = startSender(seconds + 5);
  try {
    await waitForPackets();
    const start = performance.now();
    let removals = 0;
    let present = Array.from({ length: ENDPOINTS }, (_, number) => number);
    while (performance.now() - start < seconds * 1000 && !until(removals)) {
      const goes = present[(removals * 5) % present.length] as number;
      // Now and then only one is left, or all come back.
      const back = removals % 7 === 0 ? Array.from({ length: ENDPOINTS }, (_, number) => number) : present;
      present = back.filter((number) => number !== goes);
      if (present.length === 0) present = [(goes + 1) % ENDPOINTS];
      ports.set(portWith(present));
      const { refused } = await mode.update(ports, new Set(['packets/flood']));
      if (refused.length > 0) throw new Error(`refused: ${refused[0]?.why}`);
      removals += 1;
      // For the timers by which slots are cleared away.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { removals, seconds: (performance.now() - start) / 1000, ...counted() };
  } finally {
    sender.kill();
    await sender.exited;
    run('nft', 'delete', 'table', 'ip', 'flood');
  }
}

function portWith(numbers: readonly number[]): ServicePort {
  return {
    name: 'packets/flood',
    service: 'packets/flood',
    protocol: 'UDP',
    frontends: [{ kind: 'cluster-ip', address: packedAddress(target), port: 53, policy: 'cluster' }],
    endpoints: numbers.map((number) => endpointOf(packedAddress(`10.244.2.${100 + number}`), 53)),
    localEndpoints: [],
  };
}

function countPackets(): void {
  run(
    'nft',
    `table ip flood {
      counter translated { }
      counter untranslated { }
      chain forward {
        type filter hook forward priority -150;
        ip daddr 10.244.2.0/24 counter name translated drop
        ip daddr ${target} counter name untranslated drop
      }
    }`,
  );
}

function counted(): { readonly translated: number; readonly untranslated: number } {
  const { nftables } = nftJson<{ nftables: { counter?: { name: string; packets: number } }[] }>(
    'list',
    'counters',
    'table',
    'ip',
    'flood',
  );
  const of = (name: string): number =>
    nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? Number.NaN;
  return { translated: of('translated'), untranslated: of('untranslated') };
}

function startSender(seconds: number): Bun.Subprocess {
  const [link] = ipJson<{ address: string }[]>('link', 'show', 'veth-pod');
  const [inside] = JSON.parse(run('ip', '-n', 'pod', '-j', 'link', 'show', 'eth0')) as { ifindex: number }[];
  const script = join(import.meta.dirname, 'flood-sender.ts');
  return Bun.spawn(
    [
      ...['setpriv', '--pdeathsig', 'KILL', 'nsenter', '--net=/run/netns/pod', process.execPath, script],
      ...[seconds, inside?.ifindex, link?.address, at.clients.pod, target, 53].map(String),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

async function waitForPackets(): Promise<void> {
  const deadline = performance.now() + 20_000 * slowness;
  while (counted().translated === 0) {
    if (performance.now() > deadline) throw new Error('no packets come');
    await Bun.sleep(20);
  }
}
