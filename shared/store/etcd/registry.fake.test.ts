import { describeNodeRegistry } from '../registry-contract.ts';
import { EtcdClient } from './client.ts';
import { EtcdRegistry } from './registry.ts';
import { FakeEtcd } from './testing/fake-etcd.ts';
import { NamedRegistry, type Names } from './testing/named-registry.ts';

describeNodeRegistry(
  'etcd, an imitation',
  async ({ networks, clock, random }) => {
    const etcd = await new FakeEtcd(clock).start();
    const names: Names = new Map();
    const open = (): NamedRegistry => {
      const client = new EtcdClient({ endpoints: [etcd.endpoint] });
      const registry = new EtcdRegistry({ client, prefix: '/coreos.com/network', networks, clock, random });
      return new NamedRegistry(registry, names);
    };
    const registry = open();
    const other = open();
    return {
      registry,
      other,
      [Symbol.asyncDispose]: async () => {
        await registry[Symbol.asyncDispose]();
        await other[Symbol.asyncDispose]();
        await etcd[Symbol.asyncDispose]();
      },
    };
  },
  { noNames: true, noReasons: true },
);
