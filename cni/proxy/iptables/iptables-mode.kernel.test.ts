import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { KernelNftables } from '../../../shared/nftables/kernel.ts';
import type { Family } from '../model/endpoint.ts';
import type { ServicePort } from '../model/service-port.ts';
import { Ports, port, settings } from '../testing/ports.ts';
import { IptablesMode } from './iptables-mode.ts';
import { openTables, type Tables, type Variant } from './programs.ts';

const available = freshNetns();

const web = (...endpoints: string[]): ServicePort =>
  port({
    name: 'default/web:http',
    frontends: ['cluster-ip 10.96.0.1:80', 'load-balancer 192.0.2.2:80', 'node-port 30080'],
    endpoints,
    local: endpoints.slice(0, 1),
    affinity: 10_800,
    sources: ['198.51.100.0/24', '0.0.0.0/0'],
  });
const others = [
  port({
    name: 'default/local:http',
    protocol: 'UDP',
    frontends: ['cluster-ip 10.96.0.2:80', 'external-ip 192.0.2.3:80 local', 'node-port 30081 local'],
    endpoints: ['10.244.1.2:8080', '10.244.2.2:8080', '10.244.2.3:8080'],
  }),
  port({ name: 'default/empty', frontends: ['cluster-ip 10.96.0.4:80', 'node-port 30083'] }),
  port({
    name: 'default/inside',
    protocol: 'SCTP',
    frontends: ['cluster-ip 10.96.0.5:80 local'],
    endpoints: ['10.244.2.5:80'],
  }),
];
const web6 = port({
  name: 'default/web:http',
  frontends: ['cluster-ip [fd00:96::1]:80', 'load-balancer [2001:db8::2]:80 local', 'node-port 30080 local'],
  endpoints: ['[fd00:244::1]:8080', '[fd00:244:0:1::1]:8080'],
  local: ['[fd00:244::1]:8080'],
  affinity: 10,
  sources: ['2001:db8::/32'],
});
const empty6 = port({ name: 'default/empty', frontends: ['cluster-ip [fd00:96::2]:80', 'node-port 30081'] });

describe.skipIf(!available).each(['nft', 'legacy'] as const)(
  'iptables (%s) in the kernel',
  (variant: Variant) => {
    const nft = KernelNftables.open();
    afterAll(() => nft[Symbol.dispose]());
    let restored: string[] = [];

    function make(family: Family = 4): IptablesMode {
      const open = async (): Promise<Tables> => {
        const tables = await openTables(variant, family, nft);
        return {
          ...tables,
          restore: (text) => {
            restored.push(text);
            return tables.restore(text);
          },
        };
      };
      return new IptablesMode(settings(family), { dropInvalid: true, open });
    }

    /** Without counters and dates. Rules of a chain that many share are compared whatever their order. */
    function saved(family: Family = 4): string[] {
      const program = `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}-save`;
      return ['filter', 'nat', 'mangle'].flatMap((table) =>
        run(program, '-t', table)
          .split('\n')
          .filter((line) => !line.startsWith('#'))
          .map((line) => `${table} ${line.replace(/ \[\d+:\d+\]$/, '')}`)
          .sort(),
      );
    }

    beforeEach(() => {
      restored = [];
      for (const program of ['iptables', 'ip6tables'])
        for (const table of ['filter', 'nat', 'mangle']) {
          run(`${program}-${variant}`, '-t', table, '-F');
          run(`${program}-${variant}`, '-t', table, '-X');
        }
    });

    test.each([
      [4, [web('10.244.1.1:8080', '10.244.2.1:8080'), ...others]],
      [6, [web6, empty6]],
    ] as const)(
      'IPv%i: every rule reads back as it was written: a second run changes nothing',
      async (family, all) => {
        using mode = make(family);
        const ports = new Ports(...all);
        expect((await mode.replace(ports)).changes).toBeGreaterThan(0);
        expect(await mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
        using restarted = make(family);
        restored = [];
        expect(await restarted.replace(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
        expect(restored).toEqual([]);
      },
    );

    test('a change touches what changed, and ends in the tables that a full run makes', async () => {
      using mode = make();
      const ports = new Ports(web('10.244.1.1:8080', '10.244.2.1:8080'), ...others);
      await mode.replace(ports);
      restored = [];
      ports.set(web('10.244.1.1:8080', '10.244.3.1:8080'));
      await mode.update(ports, new Set(['default/web:http']));
      expect(restored).toHaveLength(1);
      expect(restored[0]).not.toContain('KUBE-SERVICES');
      expect(restored[0]).not.toContain('default/local');
      ports.delete('default/inside');
      ports.set(web());
      ports.set(
        port({ name: 'default/empty', frontends: ['cluster-ip 10.96.0.4:80'], endpoints: ['10.244.1.9:1'] }),
      );
      await mode.update(ports, new Set(['default/inside', 'default/web:http', 'default/empty']));
      expect(restored).toHaveLength(2);
      const after = saved();
      expect(await mode.verify(ports)).toEqual({ changes: 0, refused: [], repairs: 0 });
      for (const table of ['filter', 'nat', 'mangle']) {
        run(`iptables-${variant}`, '-t', table, '-F');
        run(`iptables-${variant}`, '-t', table, '-X');
      }
      await mode.replace(ports);
      expect(saved()).toEqual(after);
    });

    test('what others take away comes back with the next change; rules of others stay', async () => {
      using mode = make();
      const ports = new Ports(web('10.244.1.1:8080'), ...others);
      run(`iptables-${variant}`, '-t', 'nat', '-A', 'PREROUTING', '-d', '192.0.2.99', '-j', 'ACCEPT');
      await mode.replace(ports);
      const before = saved();
      run(`iptables-${variant}`, '-t', 'nat', '-F', 'KUBE-SERVICES');
      ports.delete('default/local:http');
      await mode.update(ports, new Set(['default/local:http']));
      ports.set(others[0]!);
      await mode.update(ports, new Set(['default/local:http']));
      expect(saved()).toEqual(before);
      await mode.cleanUp();
      expect(saved().filter((line) => /KUBE-/.test(line))).toEqual([
        'filter -A INPUT -j KUBE-FIREWALL',
        'filter -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
        'filter -A OUTPUT -j KUBE-FIREWALL',
        'filter :KUBE-FIREWALL -',
      ]);
      expect(saved()).toContain('nat -A PREROUTING -d 192.0.2.99/32 -j ACCEPT');
    });
  },
);
