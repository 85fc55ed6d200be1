import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import { Ports, port, settings } from '../testing/ports.ts';
import { until } from '../testing/until.ts';
import { IptablesKit } from './iptables.ts';

describe.skipIf(!freshNetns())('iptables in the kernel', () => {
  test.each(['nft', 'legacy'])(
    '%s: where its chains are it goes on, and a canary that is gone is told once',
    async (variant) => {
      for (const other of ['nft', 'legacy']) {
        run(`iptables-${other}`, '-t', 'nat', '-F');
        run(`iptables-${other}`, '-t', 'nat', '-X');
      }
      run(`iptables-${variant}`, '-t', 'nat', '-N', 'KUBE-SERVICES');
      using kit = await IptablesKit.open(systemClock);
      using mode = kit.create(settings(4));
      const ports = new Ports(
        port({ name: 'a/b', frontends: ['cluster-ip 10.96.0.1:80'], endpoints: ['10.244.1.1:80'] }),
      );
      await mode.replace(ports);
      expect(run(`iptables-${variant}-save`, '-t', 'nat')).toContain('--to-destination 10.244.1.1:80');
      expect(kit.isEmpty(4)).toBe(false);
      let told = 0;
      using _ = await kit.watch(
        4,
        () => (told += 1),
        (error) => {
          throw error;
        },
      );
      run(`iptables-${variant}`, '-t', 'nat', '-F');
      run(`iptables-${variant}`, '-t', 'nat', '-X');
      await until('the flush is told of', () => told > 0, 2000);
      expect((await mode.verify(ports)).repairs).toBeGreaterThan(0);
      expect(run(`iptables-${variant}-save`, '-t', 'nat')).toContain('--to-destination 10.244.1.1:80');
      expect(told).toBe(1);
    },
  );
});
