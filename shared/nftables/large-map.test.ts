import { afterAll, describe, expect, test } from 'vitest';
import { freshNetns, inUserNamespace } from '../../conformance/testing/netns.ts';
import { encodeTransaction } from './codec/transaction.ts';
import { KernelNftables } from './kernel.ts';
import { inetProto, inetService, ipv4Addr, mark } from './model/data-type.ts';
import type { Element } from './model/element.ts';
import type { NftMap } from './model/set.ts';
import { Transaction } from './transaction.ts';

/** 10,000 services with 25 endpoints each: what the service proxy must load at once. */
const SERVICES = 10_000;
const ENDPOINTS = 25;

const table = { kind: 'table', family: 'inet', name: 't' } as const;
const slots: NftMap = {
  kind: 'map',
  family: 'inet',
  table: 't',
  name: 'slots',
  key: [ipv4Addr, inetProto, inetService, mark],
  data: [ipv4Addr, inetService],
  size: 1 << 18,
};

/** (address . protocol . port . slot) → (endpoint address . port). */
function element(service: number, slot: number): Element {
  const endpoint = service * ENDPOINTS + slot;
  return {
    key: Uint8Array.of(10, 96, service >> 8, service, 6, 0, 0, 0, 1, 187, 0, 0, slot, 0, 0, 0),
    data: Uint8Array.of(10, endpoint >> 16, endpoint >> 8, endpoint, 25, 43, 0, 0),
  };
}

/** One transaction of this size needs a send buffer beyond the limit that net.core.wmem_max sets to others than root. */
const refused = inUserNamespace();
if (refused) process.stderr.write('skipped: a map of 250,000 elements: SO_SNDBUFFORCE needs the real root\n');

describe.skipIf(refused || !freshNetns())('a map of 250,000 elements', () => {
  const kernel = KernelNftables.open();
  afterAll(() => kernel[Symbol.dispose]());

  test('is loaded in one transaction, changed by one element, and listed', () => {
    const elements: Element[] = [];
    for (let service = 0; service < SERVICES; service++) {
      for (let slot = 0; slot < ENDPOINTS; slot++) elements.push(element(service, slot));
    }
    const load = new Transaction().add(table).add(slots).addElements(slots, elements);
    const encoding = timed(() => encodeTransaction(load, 1));
    const loading = timed(() => kernel.run(load));
    const change = new Transaction()
      .deleteElements(slots, [element(7, 3)])
      .addElements(slots, [{ ...element(7, 3), data: element(0, 0).data! }]);
    const changing = timed(() => kernel.run(change));
    const listing = timed(() => kernel.listElements(slots));
    process.stderr.write(
      `250,000 elements: encoded in ${encoding.ms} ms, loaded in ${loading.ms} ms, one changed in ${changing.ms} ms, ` +
        `listed in ${listing.ms} ms\n`,
    );
    const values = valuesOf(listing.result);
    expect(values.size).toBe(SERVICES * ENDPOINTS);
    for (const [service, slot] of [
      [0, 0],
      [7, 4],
      [9_999, 24],
    ] as const) {
      const { key, data } = element(service, slot);
      expect(values.get(key.toHex())).toBe((data as Uint8Array).toHex());
    }
    expect(values.get(element(7, 3).key.toHex())).toBe((element(0, 0).data as Uint8Array).toHex());
  }, 60_000);

  test('is listed whole while the kernel enlarges its hash table', () => {
    const { size: _, ...growing } = { ...slots, name: 'growing' };
    const elements = Array.from({ length: 60_000 }, (_, i) =>
      element(i % SERVICES, Math.floor(i / SERVICES)),
    );
    kernel.run(new Transaction().add(table).add(growing).addElements(growing, elements));
    expect(valuesOf(kernel.listElements(growing)).size).toBe(elements.length);
  }, 60_000);

  test('a transaction that fails at its last step leaves nothing of them', () => {
    const elements = Array.from({ length: 10_000 }, (_, i) => element(i, ENDPOINTS));
    const before = kernel.getGeneration();
    const bad = new Transaction().addElements(slots, elements).deleteSet({ ...slots, name: 'missing' });
    expect(() => kernel.run(bad)).toThrow('delete set inet t missing: ENOENT');
    expect(kernel.getGeneration()).toBe(before);
    expect(() => kernel.run(new Transaction().deleteElements(slots, elements.slice(0, 1)))).toThrow('ENOENT');
  });
});

function valuesOf(elements: readonly Element[]): Map<string, string> {
  return new Map(elements.map(({ key, data }) => [key.toHex(), (data as Uint8Array).toHex()]));
}

function timed<T>(action: () => T): { readonly ms: number; readonly result: T } {
  const start = performance.now();
  const result = action();
  return { ms: Math.round((performance.now() - start) * 100) / 100, result };
}
