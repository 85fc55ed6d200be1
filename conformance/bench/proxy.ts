/**
 * The service proxy's nftables mode by itself: how long the whole table takes from the model to the kernel, and one
 * change in tables of different sizes. What kube-proxy takes is measured elsewhere.
 */

import { NftablesMode } from '../../cni/proxy/nftables/nftables-mode.ts';
import { KernelNftables } from '../../shared/nftables/kernel.ts';
import type { Nftables } from '../../shared/nftables/nftables.ts';
import { enterWorld } from '../cni/world.ts';
import { type Figure, median } from './figure.ts';
import { benchSettings, servicePort, services, timed } from './proxy-services.ts';

/** Adds up what the kernel's calls take. */
class Timed {
  ms = 0;
  readonly nft: Nftables;

  constructor(kernel: KernelNftables) {
    this.nft = new Proxy(kernel, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target) as unknown;
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          const start = performance.now();
          try {
            return member.apply(target, args) as unknown;
          } finally {
            this.ms += performance.now() - start;
          }
        };
      },
    });
  }
}

const clock = { monotonic: () => performance.now(), after: () => ({ cancel: () => undefined }) };

function mode(nft: Nftables): NftablesMode {
  return new NftablesMode(benchSettings, nft, clock);
}

/** The whole table, from the model to the kernel's acknowledgement. */
async function cold(count: number, endpoints: number, budget: number, rounds: number): Promise<Figure[]> {
  using kernel = KernelNftables.open();
  const times: number[] = [];
  const adoptions: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const ports = services(count, endpoints);
    using fresh = mode(kernel);
    times.push(await timed(() => fresh.replace(ports)));
    using second = mode(kernel);
    adoptions.push(
      await timed(async () => {
        const { changes } = await second.replace(ports);
        if (changes !== 0) throw new Error(`${changes} changes in a table that was right`);
      }),
    );
    await fresh.cleanUp();
  }
  const name = `proxy, nftables: ${count.toLocaleString('en')} services × ${endpoints}`;
  return [
    { name: `${name}, cold`, ours: median(times), budget, rounds },
    { name: `${name}, taken over after a restart`, ours: median(adoptions), rounds },
  ];
}

/** One endpoint more, and one less, of a service among so many. @param affinities how many have it: those are changed */
async function change(
  count: number,
  changes: number,
  affinities = 0,
): Promise<{ readonly all: number; readonly kernel: number }> {
  using kernel = KernelNftables.open();
  const meter = new Timed(kernel);
  const ports = services(count, 2, affinities);
  using subject = mode(meter.nft);
  await subject.replace(ports);
  const all: number[] = [];
  const inKernel: number[] = [];
  for (let at = 0; at < changes + 20; at += 1) {
    const number = (at * 7919) % (affinities || count);
    const port = servicePort(
      number,
      at % 2 === 0 ? 3 : 2,
      at,
      number < affinities ? { affinity: 10_800 } : {},
    );
    ports.set(port);
    meter.ms = 0;
    const took = await timed(() => subject.update(ports, new Set([port.name])));
    // The first ones are compiled.
    if (at < 20) continue;
    all.push(took);
    inKernel.push(meter.ms);
  }
  await subject.cleanUp();
  return { all: median(all), kernel: median(inKernel) };
}

export async function benchProxy(rounds: number): Promise<Figure[]> {
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  const figures: Figure[] = [];
  figures.push(...(await cold(10_000, 2, 500, rounds)));
  figures.push(...(await cold(5_000, 50, 3000, rounds)));
  const kernelTimes: number[] = [];
  for (const count of [1_000, 10_000, 100_000]) {
    const { all, kernel } = await change(count, 300);
    const name = `proxy, nftables: one change among ${count.toLocaleString('en')} services`;
    figures.push({ name, ours: all, budget: 5, rounds: 300 });
    figures.push({ name: `${name}, in the kernel`, ours: kernel, rounds: 300 });
    kernelTimes.push(kernel);
  }
  const [small = 0, , large = 0] = kernelTimes;
  figures.push({
    name: 'proxy, nftables: kernel time of a change among 100,000 to that among 1,000',
    ours: large / small,
    budget: 1.2,
    unit: '×',
    rounds: 300,
  });
  const { all } = await change(10_000, 300, 1_000);
  figures.push({
    name: 'proxy, nftables: one change of a service with affinity, of which there are 1,000 among 10,000',
    ours: all,
    budget: 10,
    rounds: 300,
  });
  return figures;
}
