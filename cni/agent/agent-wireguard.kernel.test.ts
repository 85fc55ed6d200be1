import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { kernelHas } from '../../conformance/testing/kernel-features.ts';
import { freshNetns } from '../../conformance/testing/netns.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { KernelNode, makeUnderlay, PROMISE, sh, show, until } from './testing/kernel-node.ts';

const available = freshNetns();

describe.skipIf(!available || !kernelHas('wireguard', 'veth'))('an agent with WireGuard', () => {
  const node = new KernelNode({ Type: 'wireguard' });
  const key = (n: number): string => new Uint8Array(32).fill(n).toBase64();
  /** Peers come in the order in which they were made. */
  const picture = async (): Promise<string> =>
    (
      await show(`for d in flannel-wg flannel-wg-v6; do for what in peers endpoints allowed-ips listen-port public-key; do
        wg show $d $what | sed "s/^/$d /"; done; done`)
    )
      .split('\n')
      .sort()
      .join('\n');

  beforeAll(async () => {
    makeUnderlay();
    for (const n of [1, 2]) {
      const data = { PublicKey: key(n), Port: 51820 };
      await node.registry.acquire({
        name: `peer-${n}`,
        publicIp: parseIp(`192.0.2.${100 + n}`)!,
        publicIpV6: parseIp(`2001:db8::${100 + n}`)!,
        backend: { type: 'wireguard', data, v6Data: { ...data, Port: 51821 } },
      });
    }
    await node.start();
  });

  afterAll(() => node[Symbol.asyncDispose]());

  // Of these the kernel tells nobody.
  test.each([
    `wg set flannel-wg peer ${key(1)} remove`,
    `wg set flannel-wg-v6 peer ${key(2)} remove`,
    `wg set flannel-wg peer ${key(1)} allowed-ips 10.244.200.0/24`,
    `wg set flannel-wg peer ${key(1)} endpoint 192.0.2.9:1`,
    `wg set flannel-wg peer ${key(9)} allowed-ips 10.9.0.0/16`,
    'wg set flannel-wg listen-port 4500',
    `head -c 32 /dev/zero | tr '\\0' 'a' | base64 > ${node.directory.join('key')}; wg set flannel-wg private-key ${node.directory.join('key')}`,
  ])('`%s` is put right within a second', async (damage) => {
    const before = await picture();
    expect(before).toContain('192.0.2.101:51820');
    sh(damage);
    const start = performance.now();
    let after = '';
    await until(
      () => `${damage}\n${node.lines.slice(-8).join('')}\n${before}\nnow:\n${after}`,
      async () => {
        after = await picture();
        return after === before;
      },
    );
    expect(performance.now() - start).toBeLessThan(PROMISE);
  });

  test('and counted', () => {
    expect(node.agent.status().repairs).toEqual({ 'wireguard-peer': expect.any(Number), device: 2 });
  });
});
