/**
 * A map of 250,000 elements, 10,000 services with 25 endpoints each: how long one transaction takes to load it, from
 * plain objects to the kernel's acknowledgement, and how long the change of one element in it then takes.
 */

import { KernelNftables } from '../../shared/nftables/kernel.ts';
import { inetProto, inetService, ipv4Addr, mark } from '../../shared/nftables/model/data-type.ts';
import type { Element } from '../../shared/nftables/model/element.ts';
import type { NftMap } from '../../shared/nftables/model/set.ts';
import { Transaction } from '../../shared/nftables/transaction.ts';
import { enterWorld } from '../cni/world.ts';
import { type Figure, median } from './figure.ts';

const services = 10_000;
const endpoints = 25;

const table = { kind: 'table', family: 'inet', name: 'bench' } as const;
const slots: NftMap = {
  kind: 'map',
  family: 'inet',
  table: table.name,
  name: 'slots',
  key: [ipv4Addr, inetProto, inetService, mark],
  data: [ipv4Addr, inetService],
  size: 1 << 18,
};

/** (10.96.x.y . TCP . 443 . slot) → (endpoint . 6443), padded to the registers' four bytes each. */
function element(service: number, slot: number, endpoint: number): Element {
  return {
    key: Uint8Array.of(10, 96, service >> 8, service, 6, 0, 0, 0, 1, 187, 0, 0, slot, 0, 0, 0),
    data: Uint8Array.of(10, endpoint >> 16, endpoint >> 8, endpoint, 25, 43, 0, 0),
  };
}

/** Loads the map `rounds` times. @throws Error when the kernel holds another number of elements than were loaded */
export function benchNftables(rounds: number): Figure[] {
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  using kernel = KernelNftables.open();
  const elements = Array.from({ length: services * endpoints }, (_, index) =>
    element(Math.floor(index / endpoints), index % endpoints, index),
  );
  const loading: number[] = [];
  const changing: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    loading.push(
      timed(() => kernel.run(new Transaction().add(table).add(slots).addElements(slots, elements))),
    );
    for (let service = 0; service < 50; service += 1) {
      const change = new Transaction()
        .deleteElements(slots, [element(service, 3, 0)])
        .addElements(slots, [element(service, 3, round)]);
      changing.push(timed(() => kernel.run(change)));
    }
    const held = kernel.listElements(slots).length;
    if (held !== elements.length)
      throw new Error(`loaded ${elements.length} elements, the kernel has ${held}`);
    kernel.run(new Transaction().deleteTable(table));
  }
  const name = `nftables: map of ${elements.length} elements`;
  return [
    { name: `${name}, loaded`, ours: median(loading), budget: 1000, rounds },
    { name: `${name}, one changed`, ours: median(changing), rounds: changing.length },
  ];
}

function timed(action: () => void): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}
