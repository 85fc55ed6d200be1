import { afterAll, beforeAll, describe } from 'vitest';
import { etcdProgram } from '../../../conformance/etcd/program.ts';
import { Etcd } from '../../../conformance/etcd/server.ts';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { describeNodeRegistry } from '../registry-contract.ts';
import { EtcdClient } from './client.ts';
import { EtcdRegistry } from './registry.ts';
import { NamedRegistry, type Names } from './testing/named-registry.ts';

// Fetched where it is missing, before the test leaves the network of the machine.
const fetched = etcdProgram();
const program = freshNetns() ? fetched : undefined;

describe.skipIf(!program)('against the real one', () => {
  const directory = new TemporaryDirectory();
  let etcd: Etcd;
  let clusters = 0;

  beforeAll(async () => {
    etcd = await Etcd.start({ program: program ?? '', directory: directory.path });
  });

  afterAll(async () => {
    await etcd?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  describeNodeRegistry(
    'etcd',
    async ({ networks, clock, random }) => {
      clusters += 1;
      const prefix = `/test/${clusters}`;
      const names: Names = new Map();
      const open = (): NamedRegistry => {
        const client = new EtcdClient({ endpoints: [etcd.endpoint] });
        return new NamedRegistry(new EtcdRegistry({ client, prefix, networks, clock, random }), names);
      };
      const registry = open();
      const other = open();
      return {
        registry,
        other,
        [Symbol.asyncDispose]: async () => {
          await registry[Symbol.asyncDispose]();
          await other[Symbol.asyncDispose]();
        },
      };
    },
    { noNames: true, noReasons: true, ownClock: true },
  );
});
