/**
 * The service proxy's nftables mode by itself: how long the whole table takes from the model to the kernel, and one
 * change in tables of different sizes. What kube-proxy takes is measured elsewhere.
 */

import type { ServicePort } from '../../cni/proxy/model/service-port.ts';
import { NftablesMode } from '../../cni/proxy/nftables/nftables-mode.ts';
import { KernelNftables } from '../../shared/nftables/kernel.ts';
import type { Nftables } from '../../shared/nftables/nftables.ts';
import { enterWorld } from '../cni/world.ts';
import { type Figure, median, quantile } from './figure.ts';
import { benchSettings, guarded, servicePort, services, timed } from './proxy-services.ts';

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

/** One endpoint more, and one less, of a service among so many. */
async function change(
  count: number,
  changes: number,
): Promise<{ readonly all: number; readonly kernel: number }> {
  using kernel = KernelNftables.open();
  const meter = new Timed(kernel);
  const ports = services(count, 2);
  using subject = mode(meter.nft);
  await subject.replace(ports);
  const all: number[] = [];
  const inKernel: number[] = [];
  for (let at = 0; at < changes + 20; at += 1) {
    const port = servicePort((at * 7919) % count, at % 2 === 0 ? 3 : 2, at);
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

/** How many services have affinity, and how many source ranges, where any change is measured. */
const STICKY = 1000;
const GUARDED = 100;
const AFFINITY = { affinity: 10_800 };

/** What may happen to a service among 10,000, by the number of the time. Each kind has services of its own to change. */
const CHANGES: Readonly<Record<string, (at: number) => ServicePort>> = {
  'an endpoint of a service': (at) => servicePort(3000 + at, 3, at),
  'an endpoint of a service with affinity': (at) => servicePort(at, 3, at, AFFINITY),
  'an endpoint of a service with source ranges': (at) => guarded(STICKY + at, 3, at, 2),
  'the source ranges of a service': (at) => guarded(STICKY + at, 3, at, 1),
  'affinity for a service': (at) => servicePort(4000 + at, 2, 0, AFFINITY),
  'source ranges for a service': (at) => guarded(5000 + at, 2, 0, 2),
  'no affinity for a service': (at) => servicePort(500 + at, 2, 0),
  'a number of endpoints that no service had': (at) => servicePort(6000 + at, 10 + at, 0),
};

/** Any change where many services have chains of their own, all of which the kernel goes through when one changes. */
async function anyChange(times: number): Promise<Figure[]> {
  using kernel = KernelNftables.open();
  const ports = services(10_000, 2, STICKY);
  for (let at = 0; at < GUARDED; at += 1) ports.set(guarded(STICKY + at, 2, 0, 2));
  using subject = mode(kernel);
  await subject.replace(ports);
  const figures: Figure[] = [];
  for (const [what, of] of Object.entries(CHANGES)) {
    const took: number[] = [];
    for (let at = 0; at < times; at += 1) {
      const port = of(at);
      ports.set(port);
      took.push(await timed(() => subject.update(ports, new Set([port.name]))));
    }
    // The first ones are compiled.
    const ours = quantile(took.slice(Math.floor(times / 4)), 0.95);
    figures.push({
      name: `proxy, nftables: ${what} (${STICKY} have affinity and ${GUARDED} source ranges, of 10,000), 95 %`,
      ours,
      budget: 10,
      rounds: times,
    });
  }
  await subject.cleanUp();
  return figures;
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
  figures.push(...(await anyChange(60)));
  return figures;
}
