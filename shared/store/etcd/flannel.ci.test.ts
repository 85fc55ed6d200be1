/** A real flanneld and this registry in turns on one node: each takes over what the other wrote. */

import { describe, expect, test } from 'vitest';
import { etcdProgram } from '../../../conformance/etcd/program.ts';
import { Etcd } from '../../../conformance/etcd/server.ts';
import { flanneld, flanneldMissing } from '../../../conformance/flannel/programs.ts';
import { TestDaemon } from '../../../conformance/testing/daemon.ts';
import { freshNetns, run, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { parseNetConf } from '../../config/net-conf.ts';
import type { NodeInfo, NodeLease } from '../registry.ts';
import { ip, show } from '../registry-samples.ts';
import { encodeAttributes } from './attributes.ts';
import { EtcdClient } from './client.ts';
import { EtcdRegistry } from './registry.ts';

const missing = freshNetns() ? flanneldMissing() : 'no network namespaces';
const program = missing === undefined ? etcdProgram() : undefined;
if (missing !== undefined) process.stderr.write(`skipped: flanneld on etcd: ${missing}\n`);

const prefix = '/coreos.com/network';
const ipv4 = '{"Network":"10.244.0.0/16","EnableNFTables":true,"Backend":{"Type":"vxlan"}}';
const dual =
  '{"Network":"10.244.0.0/16","EnableNFTables":true,"EnableIPv6":true,"IPv6Network":"fd00:244::/48","Backend":{"Type":"vxlan"}}';

describe.skipIf(!program)('flanneld and ours', () => {
  test.each([
    ['IPv4', ipv4],
    ['both families', dual],
  ])('write the same, byte for byte, and keep each other’s subnets: %s', async (_, config) => {
    using directory = new TemporaryDirectory();
    run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other');
    for (const link of ['lo', 'eth0', 'other']) run('ip', 'link', 'set', link, 'up');
    run('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
    run('ip', '-6', 'addr', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
    try {
      await using etcd = await Etcd.start({ program: program ?? '', directory: directory.path });
      await etcd.put(`${prefix}/config`, config);
      const records = (): Promise<{ key: string; value: string; lease: string }[]> =>
        etcd.list(`${prefix}/subnets/`);
      let written = '';
      const daemon = new TestDaemon({
        name: 'flanneld',
        command: [
          flanneld,
          `-etcd-endpoints=${etcd.endpoint}`,
          '-iface=eth0',
          `-subnet-file=${directory.join('env')}`,
        ],
        log: directory.join('flanneld.log'),
        startLimitMs: 10_000,
        ready: async () => {
          const [record] = await records();
          if (record === undefined || record.value === written) throw new Error('no lease yet');
        },
      });
      await daemon.start();
      const [theirs] = await records();
      expect(theirs?.value).toMatch(/^\{"PublicIP":"192\.0\.2\.1","PublicIPv6":/);
      const networks = parseNetConf(config);
      await using registry = new EtcdRegistry({
        client: new EtcdClient({ endpoints: [etcd.endpoint] }),
        prefix,
        networks,
      });
      const [seen] = (await registry.list()).leases as [NodeLease];
      expect(encodeAttributes(seen)).toBe(theirs?.value);

      await daemon.kill();
      const info: NodeInfo = {
        name: 'n1',
        publicIp: ip('192.0.2.1'),
        backend: seen.backend,
        instance: 'one',
      };
      const node = { ...info, ...(seen.publicIpV6 && { publicIpV6: seen.publicIpV6 }) };
      const ours = await registry.acquire(node);
      expect(show(ours)).toBe(show({ ...seen, node: 'n1' }));
      const [after] = await records();
      expect([after?.key, after?.value]).toEqual([theirs?.key, theirs?.value]);
      expect(after?.lease).not.toBe(theirs?.lease);

      // It makes a new address for its device.
      written = after?.value ?? '';
      run('ip', 'link', 'del', 'flannel.1');
      await daemon.start();
      expect((await records()).map(({ key }) => key)).toEqual([theirs?.key]);
      await daemon.kill();
    } finally {
      run('ip', 'link', 'del', 'eth0');
    }
  });
});
