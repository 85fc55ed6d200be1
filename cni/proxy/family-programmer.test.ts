import { expect, test } from 'vitest';
import { type Clock, systemClock } from '../../shared/daemon/clock.ts';
import { silentLogger } from '../../shared/log/logger.ts';
import { FakeNftables } from '../../shared/nftables/fake.ts';
import { Transaction } from '../../shared/nftables/transaction.ts';
import { FamilyProgrammer } from './family-programmer.ts';
import type { Mode, ModeReport, ServicePorts } from './mode.ts';
import { formatEndpoint } from './model/endpoint.ts';
import type { ServicePort } from './model/service-port.ts';
import type { ModeKit } from './modes/kit.ts';
import { layoutOf } from './nftables/layout.ts';
import { NftablesMode } from './nftables/nftables-mode.ts';
import { FakeKernel } from './testing/fake-mode.ts';
import { FakeTime } from './testing/fake-time.ts';
import { Ports, port, settings } from './testing/ports.ts';

/** One that is configured. @param create makes its mode */
function programmerOf(create: ModeKit['create'], ports: Ports, clock: Clock = systemClock): FamilyProgrammer {
  const programmer = new FamilyProgrammer({
    kit: { create, isEmpty: () => true, [Symbol.dispose]() {} },
    clock,
    log: silentLogger,
    ports,
    beforeFirst() {},
    onTrouble() {},
  });
  programmer.configure(settings(4));
  return programmer;
}

test('changes of others are looked at at once, unless they never end: then a tenth of the time is theirs', async () => {
  let now = 0;
  const kernel = new FakeKernel();
  using programmer = programmerOf(
    (of) => {
      const mode = kernel.create(of);
      const { verify } = mode;
      return Object.assign(mode, {
        verify: (ports: ServicePorts) => {
          now += 10;
          return verify.call(mode, ports);
        },
      });
    },
    new Ports(),
    { ...systemClock, monotonic: () => now },
  );
  await programmer.run();
  const compare = async (): Promise<number> => {
    const wait = programmer.check() ?? Number.NaN;
    expect(programmer.check()).toBeUndefined();
    now += wait;
    await programmer.run();
    return wait;
  };
  // Somebody by hand, several times.
  for (let count = 0; count < 8; count += 1) expect(await compare()).toBe(0);
  // A program, for a minute.
  const [start, before] = [now, kernel.calls.length];
  while (now - start < 60_000) await compare();
  expect(kernel.calls.length - before).toBeGreaterThan(590);
  expect(kernel.calls.length - before).toBeLessThan(650);
  // After a rest it is as before.
  now += 60_000;
  expect(await compare()).toBe(0);
});

test('a change that comes together with somebody else’s is programmed, and is no repair', async () => {
  const nft = new FakeNftables();
  const time = new FakeTime();
  const web = (...endpoints: string[]) =>
    port({ name: 'default/web', frontends: ['cluster-ip 10.96.0.1:80'], endpoints });
  const ports = new Ports(web('10.244.1.1:80'));
  using programmer = programmerOf((of) => new NftablesMode(of, nft, time), ports);
  await programmer.run();
  ports.set(web('10.244.1.1:80', '10.244.1.2:80'));
  programmer.changed(['default/web'], 0);
  programmer.check();
  expect((await programmer.run())?.report).toMatchObject({ repairs: 0, refused: [] });
  expect(nft.listElements(layoutOf(4).sets.slots)).toHaveLength(2);
  // And one that the other's change is in the way of.
  nft.run(new Transaction().destroyTable(layoutOf(4).table));
  ports.set(web('10.244.1.1:80', '10.244.1.2:80', '10.244.1.3:80'));
  programmer.changed(['default/web'], 0);
  programmer.check();
  expect((await programmer.run())?.report.refused).toEqual([]);
  expect(nft.listElements(layoutOf(4).sets.slots)).toHaveLength(3);
});

test('what changes while a mode is at work is for the next time, and for then it is all of it', async () => {
  const web = (endpoint: string) =>
    port({ name: 'default/web', frontends: ['cluster-ip 10.96.0.1:80'], endpoints: [endpoint] });
  const other = port({ name: 'default/other', frontends: ['cluster-ip 10.96.0.2:80'] });
  const ports = new Ports(web('10.244.1.1:80'));
  let gate = Promise.resolve();
  const told: string[] = [];
  /** Looks at the ports once more when it has waited, as one that writes down what it has programmed. */
  const program = async (kind: string, seen: ServicePorts): Promise<ModeReport> => {
    const look = (): string =>
      Array.from(seen, ({ name, endpoints }) => `${name} ${endpoints.map(formatEndpoint)}`).join();
    const before = look();
    await gate;
    expect(look()).toBe(before);
    told.push(`${kind} ${before}`);
    return { changes: 0, refused: [], repairs: 0 };
  };
  const mode: Mode & Disposable = {
    replace: (seen) => program('replace', seen),
    update: (seen) => program('update', seen),
    verify: (seen) => program('verify', seen),
    explain: async () => [],
    cleanUp: async () => {},
    [Symbol.dispose]() {},
  };
  using programmer = programmerOf(() => mode, ports);
  const runWhile = async (change: () => void): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    const run = programmer.run();
    change();
    resolve();
    await run;
  };
  const set = (one: ServicePort): void => {
    ports.set(one);
    programmer.changed([one.name], 0);
  };
  await runWhile(() => set(web('10.244.1.2:80')));
  await runWhile(() => set(web('10.244.1.3:80')));
  programmer.check();
  await runWhile(() => set(other));
  await programmer.run();
  ports.delete('default/web');
  programmer.changed(['default/web'], 0);
  await programmer.run();
  expect(told).toEqual([
    'replace default/web 10.244.1.1:80',
    'update default/web 10.244.1.2:80',
    'update default/web 10.244.1.3:80',
    'verify default/web 10.244.1.3:80',
    'update default/web 10.244.1.3:80,default/other ',
    'update default/other ',
  ]);
});
