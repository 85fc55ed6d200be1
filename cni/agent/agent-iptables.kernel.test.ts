import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns } from '../../conformance/testing/netns.ts';
import { KernelNode, makeUnderlay, PROMISE, picture, sh } from './testing/kernel-node.ts';

const available = freshNetns();

describe.skipIf(!available).each(['nft', 'legacy'] as const)(
  'an agent with rules in iptables (%s)',
  (variant) => {
    const [v4, v6] = [`iptables-${variant}`, `ip6tables-${variant}`];
    const node = new KernelNode();
    const rules = (): Promise<string> =>
      picture(variant === 'legacy' ? `for p in ${v4} ${v6}; do $p -t nat -S; $p -S; done` : '');

    beforeAll(async () => {
      makeUnderlay();
      // By it the kubelet tells which kind of tables a node uses.
      sh(`${v4} -t mangle -N KUBE-IPTABLES-HINT; ${v4} -P FORWARD DROP`);
      await node.join(1);
      await node.start('--rules=iptables');
      expect(sh(`${v4} -t nat -S`)).toContain('FLANNEL-POSTRTG');
    });

    afterAll(async () => {
      await node[Symbol.asyncDispose]();
      sh(`ip link del eth0; nft flush ruleset
      for p in ${v4} ${v6}; do for t in nat filter mangle; do $p -t $t -F; $p -t $t -X; done; $p -P FORWARD ACCEPT; done`);
    });

    test.each([
      `${v4} -t nat -F FLANNEL-POSTRTG`,
      `${v4} -t nat -F`,
      `${v4} -t nat -D POSTROUTING 1`,
      `${v4} -F FLANNEL-FWD`,
      `${v4} -F; ${v4} -X`,
      `${v6} -t nat -F; ${v6} -F`,
      `${v4} -I FORWARD -j DROP; ${v4} -D FORWARD -j DROP; ${v4} -D FORWARD 1`,
    ])('repaired and counted as iptables: `%s`', async (damage) => {
      expect(await node.mended(damage, rules)).toEqual(['iptables']);
      expect(Math.max(...node.lags)).toBeLessThan(PROMISE);
    });

    test.runIf(variant === 'legacy')(
      'a rule among thousands that is replaced by one of equal size comes back',
      async () => {
        sh(`(echo '*nat'; echo ':OTHERS - [0:0]'; for i in $(seq 1 5000); do echo "-A OTHERS -s 10.8.0.0/16 -p tcp -m tcp --dport $i -j RETURN"; done; echo COMMIT) |
        ${v4}-restore --noflush`);
        node.lookAnew();
        // One that is seen because the table has another size, so that nothing is left to be looked at.
        await node.mended(`${v4} -t nat -D FLANNEL-POSTRTG 1`, rules);
        const other = '-s 10.99.0.0/16 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN';
        const kinds = await node.mended(`${v4} -t nat -R FLANNEL-POSTRTG 2 ${other}`, rules);
        expect(kinds).toEqual(['iptables']);
        expect(Math.max(...node.lags)).toBeLessThan(PROMISE);
        sh(`${v4} -t nat -F OTHERS; ${v4} -t nat -X OTHERS`);
        node.lookAnew();
      },
    );

    test('from now on in nftables: flanneld-like chains are gone, and once more in iptables: the table is', async () => {
      const before = await rules();
      await node.stop();
      await node.start('--rules=nftables');
      const nftables = await rules();
      expect(nftables).not.toContain('FLANNEL');
      expect(nftables).toContain('underpod-agent');
      expect(nftables).toContain('UNDERPOD-FORWARD');
      expect(node.agent.status().rules).toBe('nftables');
      await node.stop();
      await node.start('--rules=iptables');
      expect(await rules()).toBe(before);
    });

    test('a restart touches nothing', async () => {
      const before = await rules();
      await node.stop();
      node.lines.length = 0;
      await node.start('--rules=iptables');
      expect(await rules()).toBe(before);
      expect(node.lines.filter((line) => line.includes('rules are in'))).toEqual([]);
      expect(node.agent.status().repairs).toEqual({});
    });
  },
);
