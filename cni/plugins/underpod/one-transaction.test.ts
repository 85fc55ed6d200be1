import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Container, Json } from '../testing/node.ts';
import { list, nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

const conf: Json = {
  cniVersion: '1.1.0',
  name: 'net',
  type: 'underpod',
  bridge: 'br0',
  isDefaultGateway: true,
  ipMasq: true,
  ipam: { type: 'host-local', ranges: [[{ subnet: '10.52.0.0/24' }], [{ subnet: 'fd00:52::/64' }]] },
  firewall: { backend: 'nftables', ingressPolicy: 'same-bridge' },
  runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
};

/** How many transactions the kernel commits meanwhile. */
async function transactions(during: () => Promise<unknown>): Promise<number> {
  using nft = KernelNftables.open();
  const before = nft.getGeneration();
  await during();
  return nft.getGeneration() - before;
}

/** Lines of rules and elements that are the pod's, by family of its address and by the text before it. */
function ofPods(): Record<string, number> {
  const rules = run('nft', 'list', 'ruleset');
  const count = (pattern: RegExp): number => rules.match(pattern)?.length ?? 0;
  return {
    masquerade: count(/saddr (10\.52\.0\.\d|fd00:52::\d) ip6? daddr != .* masquerade comment/g),
    ports: count(/tcp dport 8080 dnat/g),
    accepted: count(/elements = \{ (10\.52\.0\.\d|fd00:52::\d) comment/g),
    jumps: count(/jump (hostports|pods|isolation)$/gm),
  };
}

const all = { masquerade: 2, ports: 2, accepted: 2 };
const none = { masquerade: 0, ports: 0, accepted: 0 };

describe.skipIf(!node)('masquerade, host ports and firewall', () => {
  let pod: Container;
  beforeEach(() => {
    pod = node.container();
  });

  /** No attachment left anything, in nf_tables and elsewhere. */
  function expectNothing(): void {
    expect(ofPods()).toMatchObject(none);
    expect(run('nft', 'list', 'ruleset')).not.toContain('container-');
    expect(node.leftovers('net')).toEqual(nothing);
    expect(list('/run/underpod/portmap/net')).toEqual([]);
  }

  test('are one transaction of an ADD, of a node’s first and of every other, and one of a DEL', async () => {
    const other = node.container();
    expect(await transactions(() => node.ok('ADD', conf, pod))).toBe(1);
    expect(ofPods()).toMatchObject(all);
    const bases = ofPods()['jumps'];
    expect(await transactions(() => node.ok('DEL', conf, pod))).toBe(1);
    expect(ofPods()).toMatchObject(none);
    expect(await transactions(() => node.ok('ADD', conf, other))).toBe(1);
    expect(ofPods()).toEqual({ ...all, jumps: bases });
    expect(await transactions(() => node.ok('DEL', conf, other))).toBe(1);
    expect(await transactions(() => node.ok('DEL', conf, other))).toBe(0);
    expectNothing();
  });

  test('are each its own transaction in a chain of their own', async () => {
    const { firewall, runtimeConfig, ...rest } = conf;
    const shared = { cniVersion: '1.1.0', name: 'net' };
    const bridge: Json = { ...rest, type: 'bridge' };
    const made = await transactions(async () => {
      const prevResult = await node.ok('ADD', bridge, pod);
      await node.ok('ADD', { ...shared, type: 'portmap', runtimeConfig, prevResult }, pod);
      await node.ok('ADD', { ...shared, type: 'firewall', ...(firewall as Json), prevResult }, pod);
    });
    expect(made).toBe(3);
    expect(ofPods()).toMatchObject(all);
    // What the chain made the single type takes away.
    expect(await transactions(() => node.ok('DEL', conf, pod))).toBe(1);
    expectNothing();
  });

  test('leave nothing where the kernel refuses one of them', async () => {
    run('nft', 'add table inet underpod_firewall; add set inet underpod_firewall pods6 { type mark; }');
    const before = run('nft', 'list', 'ruleset');
    const { json } = await node.call('ADD', conf, pod);
    expect(json).toMatchObject({ msg: expect.stringMatching(/pods6.*EEXIST/) });
    expect(run('nft', 'list', 'ruleset')).toBe(before);
    expectNothing();
  });

  test('come all, and once, where the kernel refuses what a quick look let hope for', async () => {
    // Without snat there is no chain for what is masqueraded on its way to a port.
    const first = node.container();
    await node.ok('ADD', { ...conf, portmap: { snat: false } }, first);
    // Somebody left the next addresses behind.
    run('nft', 'add element inet underpod_firewall pods4 { 10.52.0.3 comment "stale" }');
    await node.ok('ADD', conf, pod);
    await node.ok('DEL', conf, first);
    expect(ofPods()).toMatchObject(all);
    expect(run('nft', 'list', 'ruleset')).not.toContain('stale');
    await node.ok('DEL', conf, pod);
    expectNothing();
  });

  test('are not even tried where another part fails', async () => {
    const runtimeConfig = { ...(conf['runtimeConfig'] as Json), bandwidth: { ingressRate: 1 } };
    const add = (): Promise<unknown> => node.call('ADD', { ...conf, runtimeConfig }, pod);
    expect(await transactions(add)).toBe(0);
    expectNothing();
  });

  test('are taken back where what comes after them fails', async () => {
    const ipv4: Json = { ...conf, ipam: { type: 'host-local', subnet: '10.52.0.0/24' } };
    const { runtimeConfig: _, ...portless } = ipv4;
    const first = node.container();
    await node.ok('ADD', portless, first);
    run('mount', '--bind', '/proc/sys', '/proc/sys');
    try {
      run('mount', '-o', 'remount,ro,bind', '/proc/sys');
      let answer: Json = {};
      const add = async (): Promise<void> => {
        answer = (await node.call('ADD', ipv4, pod)).json;
      };
      expect(await transactions(add)).toBe(2);
      expect(answer['msg']).toMatch(/route_localnet/);
    } finally {
      run('umount', '/proc/sys');
    }
    expect(ofPods()).toMatchObject({ masquerade: 1, ports: 0, accepted: 1 });
    await node.ok('DEL', portless, first);
    expectNothing();
  });
});
