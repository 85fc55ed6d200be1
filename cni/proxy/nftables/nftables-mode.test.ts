import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCidr } from '../../../shared/ip/cidr.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import type { ModeSettings } from '../mode.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { ServicePort } from '../model/service-port.ts';
import { NODE_ADDRESSES, PROBES, rollout, turn, withoutConflicts } from '../testing/arbitrary.ts';
import { type Expectation, expectation, isHairpin, type Probe } from '../testing/oracle.ts';
import { cidr, Ports, port, settings } from '../testing/ports.ts';
import { layoutOf, SHARED, TREATMENTS } from './layout.ts';
import { KEEP, LINGER, NftablesMode } from './nftables-mode.ts';
import type { Snapshot } from './testing/recorder.ts';
import { Run } from './testing/run.ts';
import { type Outcome, send } from './testing/send.ts';

/** More of everything, for who has the time. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 1);

const layout = layoutOf(4);

const probesOf = (of: ModeSettings): readonly Probe[] =>
  of.localDetector.by === 'interface-prefix' ? PROBES.filter(({ from }) => from !== 'node') : PROBES;

/** What may come of a probe, for every number that chance can give. */
function outcomes(table: Nftables, of: ModeSettings, probe: Probe): Outcome[] {
  const found: Outcome[] = [];
  // Six numbers are enough for every endpoint to have its turn; what is not served has none.
  for (let chance = 0; chance < 6 && (found[0]?.fate ?? 'served') === 'served'; chance += 1) {
    found.push(
      send(
        {
          ref: layout.table,
          table: () => table,
          nodeAddresses: NODE_ADDRESSES,
          random: (modulus) => chance % modulus,
          settings: of,
        },
        probe,
      ),
    );
  }
  return found;
}

function check(expected: Expectation, found: readonly Outcome[], probe: Probe): void {
  const words = (): string => JSON.stringify({ probe, expected, found });
  if (expected.fate !== 'served') {
    for (const { fate } of found) expect(fate, words()).toBe(expected.fate);
    return;
  }
  for (const { fate, by, masqueraded } of found) {
    expect(fate, words()).toBe('served');
    expect(expected.by, words()).toContain(by);
    expect(masqueraded, words()).toBe(expected.masqueraded || isHairpin(probe, by!));
  }
  // Everybody has a share.
  expect(new Set(found.map(({ by }) => by)).size, words()).toBe(expected.by.length);
}

const VARIETIES: readonly ModeSettings[] = [
  settings(4),
  settings(4, { masqueradeAll: true, localDetector: { by: 'nothing' } }),
  settings(4, { localDetector: { by: 'nothing' }, nodePortAddresses: [cidr('172.16.0.0/16')] }),
  settings(4, {
    localDetector: { by: 'interface-prefix', prefix: 'veth' },
    masqueradeBit: 31,
    serviceCidrs: [],
  }),
  settings(4, {
    localDetector: { by: 'bridge', name: 'veth1' },
    nodePortAddresses: [cidr('127.0.0.0/8'), cidr('172.17.0.0/16')],
  }),
];

describe('the nftables mode', () => {
  test('does with every packet what services promise, whatever came before', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...VARIETIES),
        fc.array(turn, { minLength: 1, maxLength: 6 }),
        async (of, turns) => {
          const run = new Run(of);
          for (const one of turns) {
            await run.play(one);
            for (const probe of probesOf(of)) {
              const expected = expectation(run.ports, of, NODE_ADDRESSES, probe);
              check(expected, outcomes(run.nft.snapshots.at(-1)!.table, of, probe), probe);
            }
          }
        },
      ),
      { numRuns: 15 * RUNS },
    );
  });

  test('leaves the table that it would make anew', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 2, maxLength: 8 }), async (turns) => {
        const run = new Run();
        for (const one of turns) await run.play(one);
        await run.time.advance(5 * LINGER);
        const fresh = new Run();
        await fresh.mode.replace(run.ports);
        expect(contents(run.nft)).toEqual(contents(fresh.nft));
        expect(await run.mode.verify(run.ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
      }),
      { numRuns: 20 * RUNS },
    );
  });

  test('gives chains back that no service needs any more, and makes them again when one does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 2, maxLength: 6 }), turn, async (turns, last) => {
        const run = new Run();
        for (const one of turns) await run.play(one);
        const kept = sharedChains(run.nft).length;
        await run.time.advance(KEEP / 2);
        expect(sharedChains(run.nft)).toHaveLength(kept);
        await run.time.advance(3 * KEEP);
        const fresh = new Run();
        await fresh.mode.replace(run.ports);
        expect(sharedChains(run.nft)).toEqual(sharedChains(fresh.nft));
        expect(await run.mode.verify(run.ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
        await run.play(last);
        for (const probe of probesOf(run.settings).slice(0, 20)) {
          const expected = expectation(run.ports, run.settings, NODE_ADDRESSES, probe);
          check(expected, outcomes(run.nft.snapshots.at(-1)!.table, run.settings, probe), probe);
        }
      }),
      { numRuns: 15 * RUNS },
    );
  });

  test('a chain that is needed again just when it goes is there', async () => {
    const [one, two] = ['10.244.0.1:80', '10.244.0.2:80'];
    const web = (...endpoints: string[]) => ({
      set: [port({ name: 'a/b', frontends: ['cluster-ip 10.96.0.1:80'], endpoints })],
      gone: [],
      pause: 0,
    });
    const fresh = new Run();
    await fresh.mode.replace(new Ports(...web(one, two).set));
    const needed = sharedChains(fresh.nft);
    let gone = 0;
    for (let ms = -1; ms <= 3 * LINGER; ms += LINGER / 4) {
      const run = new Run();
      await run.play(web(one, two));
      await run.play(web(one));
      await run.time.advance(2 * KEEP + ms);
      gone += sharedChains(run.nft).includes('pick-2') ? 0 : 1;
      await run.play(web(one, two));
      expect(sharedChains(run.nft)).toEqual(expect.arrayContaining(needed));
      await run.time.advance(3 * LINGER);
      expect(sharedChains(run.nft)).toEqual(expect.arrayContaining(needed));
      expect(await run.mode.verify(run.ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
    }
    expect(gone).toBeGreaterThan(0);
  });

  test('what a service comes to need while chains are looked for that nobody needs stays', async () => {
    const named = (n: number, ...endpoints: string[]) =>
      port({ name: `a/b${n}`, frontends: [`cluster-ip 10.96.${n >> 8}.${n & 255}:80`], endpoints });
    const [one, two] = ['10.244.0.1:80', '10.244.0.2:80'];
    const ports = new Ports(...Array.from({ length: 1000 }, (_, n) => named(n, one)));
    const run = new Run();
    await run.mode.replace(ports);
    const change = async (n: number, ...endpoints: string[]): Promise<void> => {
      ports.set(named(n, ...endpoints));
      await run.mode.update(ports, new Set([`a/b${n}`]));
    };
    await change(0, one, two);
    await change(0, one);
    // In the middle of the look that would find it unused for long enough; the one that changes was asked before.
    await run.time.advance(2 * KEEP + 37);
    await change(1, one, two);
    await run.time.advance(10 * LINGER);
    expect(sharedChains(run.nft)).toContain('pick-2');
    expect(await run.mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
  });

  test('has an endpoint for every packet that is under way while it changes the table', async () => {
    let interrupted = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(rollout, fc.array(turn, { minLength: 2, maxLength: 5 })),
        fc.nat(1000),
        async (turns, seed) => {
          const run = new Run();
          for (const one of turns) await run.play(one);
          await run.time.advance(3 * LINGER);
          for (const [from, to] of spans(run.nft.snapshots)) {
            for (const { probe, by } of servedThroughout(run, from, to, seed)) {
              interrupted += 1;
              for (let cut = 4; cut < 20; cut += 1) {
                for (let chance = 0; chance < 6; chance += 1) {
                  const found = sendInterrupted(run, probe, { from, to, cut, chance });
                  const words = JSON.stringify({ probe, found, cut, chance, from, to });
                  expect(found.fate, words).toBe('served');
                  expect(by, words).toContain(found.by);
                }
              }
            }
          }
        },
      ),
      { numRuns: 15 * RUNS },
    );
    expect(interrupted).toBeGreaterThan(10);
  });

  test('takes a table over after a restart without a change, and goes on from there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 5 }), turn, async (turns, last) => {
        const run = new Run();
        for (const one of turns) await run.play(one);
        await run.time.advance(5 * LINGER);
        run.mode[Symbol.dispose]();
        const generation = run.nft.getGeneration();
        const again = new NftablesMode(run.settings, run.nft, run.time);
        expect(await again.replace(run.ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
        await run.time.advance(3 * LINGER);
        expect(run.nft.getGeneration()).toBe(generation);
        again[Symbol.dispose]();
        // What changed while nobody was there.
        run.nft.snapshots.length = 0;
        const missed = new Ports(
          ...withoutConflicts(
            [...run.ports].filter(({ name }) => !last.gone.includes(name)).concat(last.set),
          ),
        );
        const third = new NftablesMode(run.settings, run.nft, run.time);
        await third.replace(missed);
        await run.time.advance(5 * LINGER);
        const fresh = new Run();
        await fresh.mode.replace(missed);
        expect(contents(run.nft)).toEqual(contents(fresh.nft));
      }),
      { numRuns: 15 * RUNS },
    );
  });
});

/** Sends a packet for which the table is exchanged once it has looked at it `cut` times. */
function sendInterrupted(
  run: Run,
  probe: Probe,
  moment: { readonly from: number; readonly to: number; readonly cut: number; readonly chance: number },
): Outcome {
  let looks = 0;
  const { from, to, cut, chance } = moment;
  const way = {
    ref: layout.table,
    table: () => run.nft.snapshots[looks++ < cut ? from : to]!.table,
    nodeAddresses: NODE_ADDRESSES,
    random: (modulus: number) => chance % modulus,
    settings: run.settings,
  };
  return send(way, probe);
}

/** Some packets that have an endpoint at both moments and at those between, though another one may be. */
function servedThroughout(
  run: Run,
  from: number,
  to: number,
  seed: number,
): { readonly probe: Probe; readonly by: readonly Endpoint[] }[] {
  const models = [...new Set(run.nft.snapshots.slice(from, to + 1).flatMap((snapshot) => snapshot.models))];
  const found: { readonly probe: Probe; readonly by: readonly Endpoint[] }[] = [];
  for (let at = 0; at < PROBES.length && found.length < 3; at += 1) {
    const probe = PROBES[(at * 37 + seed) % PROBES.length] as Probe;
    const wanted = models.map((model) => expectation(model, run.settings, NODE_ADDRESSES, probe));
    // A policy that somebody changes by hand is looked up in two steps as well.
    if (!wanted.every(({ fate }) => fate === 'served') || policiesOf(models, probe).size > 1) continue;
    if (new Set(wanted.map((one) => JSON.stringify(one))).size === 1) continue;
    // Half-way between two policies it may be somebody whom only the other one would take.
    found.push({ probe, by: everybody(models, probe) });
  }
  return found;
}

/** The policies that a packet may meet, and the networks that may use a load balancer. */
function policiesOf(models: readonly (readonly ServicePort[])[], probe: Probe): Set<string> {
  return new Set(
    models.flatMap((model) =>
      model.flatMap(({ protocol, frontends, sourceRanges }) =>
        frontends
          .filter(({ address, port }) => port === probe.port && (address ?? probe.target) === probe.target)
          .filter(() => protocol === probe.protocol)
          .map(({ kind, policy }) => `${kind} ${policy} ${sourceRanges?.map(formatCidr).join()}`),
      ),
    ),
  );
}

/** All endpoints of the ports that a packet may be for. */
function everybody(models: readonly (readonly ServicePort[])[], { protocol, port }: Probe): Endpoint[] {
  return models
    .flat()
    .filter((one) => one.protocol === protocol && one.frontends.some((own) => own.port === port))
    .flatMap(({ endpoints }) => endpoints);
}

/** Pairs of moments that one packet may see: nothing that it was led to is cleared away in less than LINGER. */
function* spans(snapshots: readonly Snapshot[]): Generator<readonly [number, number]> {
  for (let from = 0; from < snapshots.length; from += 1) {
    for (let to = from + 1; to < snapshots.length; to += 1) {
      // Until the next one came, the packet may have set out.
      const setOut = snapshots[from + 1]!.at;
      if (snapshots[to]!.at - setOut < LINGER) yield [from, to];
    }
  }
}

/** Chains of no single port's, and what leads to them. */
function sharedChains(nft: Nftables): string[] {
  const verdicts = TREATMENTS.flatMap((map) =>
    nft
      .listElements(layout.sets[map])
      .filter(({ key }) => (key[2]! & 0x20) === 0)
      .map(({ key, data }) => `${map} ${key.toHex()} ${JSON.stringify(data)}`),
  );
  const chains = nft.listChains(layout.table).map(({ name }) => name);
  return [...verdicts, ...chains.filter((name) => /-\d+$/.test(name))].sort();
}

/** What is in the table, apart from the order of slots, the numbers of affinity, and chains that are kept. */
function contents(nft: Nftables): unknown {
  const shared = SHARED.map((name) => {
    const elements = nft.listElements(layout.sets[name]).map(({ key, data }) => {
      if (name.endsWith('slots')) return `${key.slice(0, -4).toHex()} ${(data as Uint8Array).toHex()}`;
      if (data === undefined || !(data instanceof Uint8Array))
        return `${key.toHex()} ${JSON.stringify(data)}`;
      return `${key.toHex()} ${(data[2]! & 0x20) === 0 ? data.toHex() : data.slice(2).toHex()}`;
    });
    return [name, elements.sort()];
  });
  const chains = nft
    .listChains(layout.table)
    .map(({ name }) => name)
    .filter((name) => !/-\d+$/.test(name));
  const sets = nft
    .listSets(layout.table)
    .filter(({ anonymous }) => !anonymous)
    .map(({ name }) => name);
  const slots = SHARED.filter((name) => name.endsWith('slots')).map((name) =>
    nft
      .listElements(layout.sets[name])
      .map(({ key }) => key.toHex())
      .sort(),
  );
  return { shared, chains: chains.sort(), sets: sets.sort(), slots };
}
