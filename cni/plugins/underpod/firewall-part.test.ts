import { existsSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { subnetEnv, underpodConf } from '../testing/flannel.ts';
import type { Json } from '../testing/node.ts';
import { list, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;

beforeEach(() => writeFileSync('/run/flannel/subnet.env', subnetEnv(true)));
afterEach(() => node?.reset());

/** The backends that this node has, besides firewalld, whose tests bring a D-Bus of their own. */
const backends = ['nftables', ...(existsSync('/usr/sbin/iptables-restore') ? ['iptables'] : [])];

/** What accepts the address, wherever it is. */
function accepting(address: string): string[] {
  const everywhere = `${run('nft', 'list', 'ruleset')}\n${run('sh', '-c', 'iptables-legacy-save || true')}`;
  return everywhere.split('\n').filter((line) => line.includes(address) && !line.includes('dnat to'));
}

describe.skipIf(!node)('the firewall as a part of underpod', () => {
  describe.each(backends)('by %s', (backend) => {
    const conf: Json = { ...underpodConf, firewall: { backend, ingressPolicy: 'same-bridge' } };

    test('accepts the pod, checks it, and gives it back', async () => {
      const pod = node.container();
      const prevResult = await node.ok('ADD', conf, pod);
      expect(accepting('10.244.3.2').length).toBeGreaterThan(0);
      await node.ok('STATUS', conf);
      await node.ok('CHECK', { ...conf, prevResult }, pod);
      const classic: Json = { cniVersion: '1.1.0', name: 'cbr0', type: 'firewall', backend, prevResult };
      await node.ok('DEL', classic, pod);
      expect((await node.call('CHECK', { ...conf, prevResult }, pod)).json).toMatchObject({ code: 100 });
      await node.ok('ADD', classic, pod);
      await node.ok('DEL', { ...conf, prevResult }, pod);
      await node.ok('DEL', conf, pod);
      expect(node.leftovers('cbr0')).toEqual(nothing);
      expect(accepting('10.244.3.2')).toEqual([]);
      expect(list('/run/underpod/firewall')).toEqual([]);
    });

    test('goes by GC, and while the configuration no longer asks for it', async () => {
      const [one, two] = [node.container(), node.container()];
      for (const pod of [one, two]) await node.ok('ADD', conf, pod);
      await node.ok('GC', {
        ...underpodConf,
        'cni.dev/valid-attachments': [{ containerID: one.id, ifname: 'eth0' }],
      });
      expect(accepting('10.244.3.3')).toEqual([]);
      expect(accepting('10.244.3.2').length).toBeGreaterThan(0);
      await node.ok('DEL', conf, one);
      expect(accepting('10.244.3.2')).toEqual([]);
    });
  });

  test('is done for a section that says nothing, and only there', async () => {
    const [one, two] = [node.container(), node.container()];
    await node.ok('ADD', underpodConf, one);
    expect(accepting('10.244.3.2')).toEqual([]);
    await node.ok('ADD', { ...underpodConf, firewall: {} }, two);
    expect(accepting('10.244.3.3').length).toBeGreaterThan(0);
    for (const pod of [one, two]) await node.ok('DEL', { ...underpodConf, firewall: {} }, pod);
    expect(accepting('10.244.3')).toEqual([]);
  });

  test('undoes the rest when it cannot be done', async () => {
    const conf: Json = { ...underpodConf, firewall: { backend: 'pf' } };
    const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] };
    const { json } = await node.call('ADD', { ...conf, runtimeConfig }, node.container());
    expect(json).toMatchObject({ code: 7, msg: expect.stringMatching(/backend is "pf"/) });
    expect(node.leftovers('cbr0')).toEqual(nothing);
    expect(run('nft', 'list', 'ruleset')).not.toContain('10.244.3');
  });
});
