/**
 * The service proxy's iptables mode by itself, over nf_tables and in legacy tables: all services from the model to the kernel,
 * the same again by a proxy that restarts, and one change. What is not said to be ours is the programs' time.
 */

import { IptablesMode } from '../../cni/proxy/iptables/iptables-mode.ts';
import { needTables, type Tables } from '../../cni/proxy/iptables/kernel-tables.ts';
import { Machine } from '../../cni/proxy/iptables/machine.ts';
import { NO_COUNTERS } from '../../cni/proxy/iptables/packet-counters.ts';
import type { IptablesVariant } from '../../shared/iptables/programs.ts';
import { enterWorld } from '../cni/world.ts';
import { type Figure, median } from './figure.ts';
import { benchSettings, servicePort, services, timed } from './proxy-services.ts';

/** How many single changes are measured. */
const CHANGES = 10;

/** Adds up what the programs take. */
class Meter {
  ms = 0;

  async #timed<T>(work: Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work;
    } finally {
      this.ms += performance.now() - start;
    }
  }

  of(tables: Tables): Tables {
    return {
      ...(tables.mostRules !== undefined && { mostRules: tables.mostRules }),
      hasChain: (table, chain) => tables.hasChain(table, chain),
      alone: (work) => tables.alone(work),
      save: () => this.#timed(tables.save()),
      restore: (text) => this.#timed(tables.restore(text)),
    };
  }
}

async function measure(variant: IptablesVariant, count: number): Promise<Figure[]> {
  using machine = new Machine();
  const meter = new Meter();
  const make = (): IptablesMode =>
    new IptablesMode(benchSettings, {
      dropInvalid: true,
      localhostNodePorts: false,
      routeLocalnet: () => {},
      counters: NO_COUNTERS,
      open: async () => meter.of(await needTables(machine, variant, 4)),
      openOther: async () => undefined,
    });
  const name = `proxy, iptables (${variant}): ${count.toLocaleString('en')} services × 2`;
  const figures: Figure[] = [];
  const add = (what: string, ours: number, rounds = 1): void =>
    void figures.push({ name: `${name}, ${what}`, ours, rounds });
  const ports = services(count, 2);
  using mode = make();
  add('cold', await timed(() => mode.replace(ports)));
  add('cold, our own part', (figures.at(-1)?.ours ?? 0) - meter.ms);
  using second = make();
  meter.ms = 0;
  const took = await timed(async () => {
    const { changes } = await second.replace(ports);
    if (changes !== 0) throw new Error(`${changes} changes in tables that were right`);
  });
  add('taken over after a restart', took);
  add('taken over, our own part', took - meter.ms);
  const all: number[] = [];
  const own: number[] = [];
  for (let at = 0; at < CHANGES; at += 1) {
    const port = servicePort((at * 7919) % count, at % 2 === 0 ? 3 : 2, at);
    ports.set(port);
    meter.ms = 0;
    const ms = await timed(() => second.update(ports, new Set([port.name])));
    all.push(ms);
    own.push(ms - meter.ms);
  }
  add('one change', median(all), CHANGES);
  add('one change, our own part', median(own), CHANGES);
  await second.cleanUp();
  return figures;
}

export async function benchProxyIptables(): Promise<Figure[]> {
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  const figures: Figure[] = [];
  for (const variant of ['nft', 'legacy'] as const)
    for (const count of [1_000, 10_000]) figures.push(...(await measure(variant, count)));
  return figures;
}
