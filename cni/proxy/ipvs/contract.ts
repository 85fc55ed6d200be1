/** What the mode may rely on in a kernel: the same for the fake one and for Linux. */

import { describe, expect, test } from 'vitest';
import type { Family } from '../model/endpoint.ts';
import { address, endpoint } from '../testing/ports.ts';
import type { IpvsKernel } from './kernel.ts';
import { ipEntry, ipPortEntry, ipPortIpEntry, ipPortNetEntries, portEntry, serverKeyOf } from './keys.ts';
import { SET_KEYS, type SetKey, setTypeOf } from './names.ts';
import { addressOperation, endpointOperation, type Operation } from './operations.ts';

/** @param make a kernel that holds nothing; the family's */
export function kernelContract(family: Family, make: () => IpvsKernel): void {
  const ip = family === 4 ? '10.96.0.1' : '[fd00:96::1]';
  const bare = address(ip.replace(/[[\]]/g, ''));
  const at = (n: number): string => (family === 4 ? `10.244.1.${n}:8080` : `[fd00:244::${n}]:8080`);
  const key = serverKeyOf(bare, 80, 'TCP');
  const server = { flags: 1, timeout: 60, endpoints: [] };
  const add: Operation = { on: 'server', verb: 'add', key, server };
  const real = (verb: 'add' | 'change' | 'delete', n: number, weight: 0 | 1): Operation =>
    endpointOperation(verb, key, endpoint(at(n)), weight);
  const entryOf = (set: SetKey) => {
    const network = {
      ip: { family, value: family === 4 ? 0x0a00_0000n : 0xfd00n << 112n },
      prefix: 8,
    } as const;
    switch (setTypeOf(set)) {
      case 'bitmap:port':
        return portEntry(30_080);
      case 'hash:ip':
        return ipEntry(bare);
      case 'hash:ip,port':
        return ipPortEntry(key);
      case 'hash:ip,port,ip':
        return ipPortIpEntry(key, bare);
      default:
        return ipPortNetEntries(key, network)[0]!;
    }
  };

  describe(`IPv${family}`, () => {
    test('virtual servers and their endpoints come back as they were made, and change', () => {
      const kernel = make();
      kernel.prepare();
      kernel.prepare();
      expect(kernel.run([add, real('add', 1, 1), real('add', 2, 1)], 'rr')).toEqual(
        [undefined, undefined, undefined].fill(undefined),
      );
      expect([...kernel.servers()]).toMatchObject([[key, { scheduler: 'rr', flags: 1, timeout: 60 }]]);
      const changed = { flags: 0, timeout: 0, endpoints: [] };
      kernel.run([{ on: 'server', verb: 'change', key, server: changed }, real('change', 2, 0)], 'lc');
      expect([...kernel.servers()]).toMatchObject([[key, { scheduler: 'lc', flags: 0, timeout: 0 }]]);
      const held = kernel
        .endpoints(key)
        .map(({ endpoint: one, weight, connections }) => [one, weight, connections]);
      expect(held.sort()).toEqual([
        [endpoint(at(1)), 1, 0],
        [endpoint(at(2)), 0, 0],
      ]);
      kernel.run([real('delete', 1, 0)], 'rr');
      expect(kernel.endpoints(key)).toHaveLength(1);
      kernel.run([{ on: 'server', verb: 'delete', key }], 'rr');
      expect(kernel.servers().size).toBe(0);
      expect(kernel.endpoints(key)).toEqual([]);
      kernel.remove();
    });

    test('what cannot be is refused, the rest is carried out', () => {
      const kernel = make();
      kernel.prepare();
      const errors = kernel.run(
        [real('add', 1, 1), add, add, real('change', 1, 0), real('add', 1, 1), real('add', 1, 1)],
        'rr',
      );
      expect(errors.map((error) => error instanceof Error)).toEqual([true, false, true, true, false, true]);
      kernel.remove();
    });

    test('what is gone need not be deleted, and what is there need not be added', () => {
      const kernel = make();
      kernel.prepare();
      const other = ipEntry(bare);
      const operations: Operation[] = [
        real('delete', 1, 0),
        { on: 'server', verb: 'delete', key },
        addressOperation('delete', other),
        addressOperation('add', other),
        addressOperation('add', other),
        { on: 'entry', verb: 'delete', set: 'clusterIp', key: ipPortEntry(key) },
        { on: 'entry', verb: 'add', set: 'clusterIp', key: ipPortEntry(key) },
        { on: 'entry', verb: 'add', set: 'clusterIp', key: ipPortEntry(key) },
      ];
      expect(kernel.run(operations, 'rr').filter((error) => error !== undefined)).toEqual([]);
      expect([...kernel.addresses()]).toEqual([bare]);
      kernel.run([addressOperation('delete', other)], 'rr');
      expect(kernel.addresses().size).toBe(0);
      kernel.remove();
    });

    test.each(SET_KEYS)('entries of the set %s come back, and go', (set) => {
      const kernel = make();
      kernel.prepare();
      expect(kernel.entries(set).size).toBe(0);
      const one = entryOf(set);
      expect(kernel.run([{ on: 'entry', verb: 'add', set, key: one }], 'rr')).toEqual([undefined]);
      expect([...kernel.entries(set)]).toEqual([one]);
      kernel.run([{ on: 'entry', verb: 'delete', set, key: one }], 'rr');
      expect(kernel.entries(set).size).toBe(0);
      kernel.remove();
    });

    test('what nobody uses is taken away, and the sets stay until all is', () => {
      const kernel = make();
      kernel.prepare();
      kernel.run(
        [
          { on: 'entry', verb: 'add', set: 'clusterIp', key: ipPortEntry(key) },
          add,
          real('add', 1, 1),
          addressOperation('add', ipEntry(bare)),
        ],
        'rr',
      );
      expect(kernel.removeUnused()).toBe(0);
      expect(kernel.servers().size).toBe(0);
      expect(kernel.addresses().size).toBe(0);
      expect(kernel.entries('clusterIp').size).toBe(1);
      expect(kernel.remove()).toEqual([]);
    });

    test('all of it is taken away, however often', () => {
      const kernel = make();
      kernel.prepare();
      const nodePort = serverKeyOf(
        family === 4 ? address('192.0.2.9') : address('2001:db8::9'),
        30_080,
        'TCP',
      );
      kernel.run(
        [
          { on: 'entry', verb: 'add', set: 'nodePortTcp', key: portEntry(30_080) },
          { on: 'entry', verb: 'add', set: 'clusterIp', key: ipPortEntry(key) },
          add,
          { on: 'server', verb: 'add', key: nodePort, server },
          addressOperation('add', ipEntry(bare)),
        ],
        'rr',
      );
      expect(kernel.servers().size).toBe(2);
      for (let times = 0; times < 2; times += 1) expect(kernel.remove()).toEqual([]);
      expect(kernel.servers().size).toBe(0);
      expect(kernel.addresses().size).toBe(0);
      expect(kernel.entries('clusterIp').size).toBe(0);
    });
  });
}
