import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import type { IptablesVariant } from '../../../shared/iptables/programs.ts';
import type { Family } from '../model/endpoint.ts';
import type { ServicePort } from '../model/service-port.ts';
import { Ports, port, settings } from '../testing/ports.ts';
import { IptablesMode } from './iptables-mode.ts';
import { needTables, type Tables } from './kernel-tables.ts';
import { Machine } from './machine.ts';
import { NO_COUNTERS, PacketCounters } from './packet-counters.ts';

const available = freshNetns();

const web = (...endpoints: string[]): ServicePort =>
  port({
    name: 'default/web:http',
    frontends: ['cluster-ip 10.96.0.1:80', 'load-balancer 192.0.2.2:80', 'node-port 30080'],
    endpoints,
    local: endpoints.slice(0, 1),
    affinity: 10_800,
    sources: ['198.51.100.0/24', '0.0.0.0/0'],
    healthCheck: 31_000,
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
  (variant: IptablesVariant) => {
    const machine = new Machine();
    const counters = PacketCounters.open(systemClock);
    afterAll(() => {
      machine[Symbol.dispose]();
      counters?.[Symbol.dispose]();
    });
    let restored: string[] = [];

    function make(family: Family = 4): IptablesMode {
      const open = async (): Promise<Tables> => {
        const tables = await needTables(machine, variant, family);
        return {
          mostRules: variant === 'nft' ? 10 : Number.POSITIVE_INFINITY,
          hasChain: (table, chain) => tables.hasChain(table, chain),
          alone: (work) => tables.alone(work),
          save: () => tables.save(),
          restore: (text) => {
            restored.push(text);
            return tables.restore(text);
          },
        };
      };
      return new IptablesMode(settings(family), {
        dropInvalid: true,
        localhostNodePorts: true,
        routeLocalnet: () => {},
        counters: counters ?? NO_COUNTERS,
        open,
        openOther: async () => undefined,
      });
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
        const { rules } = await mode.replace(ports);
        const nothing = (table: 'filter' | 'nat') => ({ total: rules?.[table]?.total, written: 0 });
        const same = {
          changes: 0,
          refused: [],
          repairs: 0,
          rules: { filter: nothing('filter'), nat: nothing('nat') },
        };
        expect(await mode.verify(ports)).toEqual(same);
        using restarted = make(family);
        restored = [];
        expect(await restarted.replace(ports)).toEqual(same);
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
      expect(await mode.verify(ports)).toMatchObject({ changes: 0, refused: [], repairs: 0 });
      for (const table of ['filter', 'nat', 'mangle']) {
        run(`iptables-${variant}`, '-t', table, '-F');
        run(`iptables-${variant}`, '-t', table, '-X');
      }
      await mode.replace(ports);
      expect(saved()).toEqual(after);
    });

    test('a port that is refused is told, and costs nobody else anything', async () => {
      using mode = make();
      // More seconds than the match has bits for.
      const bad = (name: string): ServicePort =>
        port({
          name,
          frontends: ['cluster-ip 10.96.0.9:80', 'node-port 30099 local'],
          endpoints: ['10.244.9.1:80', '10.244.9.2:80'],
          affinity: 2 ** 33,
        });
      const good = new Ports(web('10.244.1.1:8080'), ...others);
      await mode.replace(good);
      const before = saved();
      const ports = new Ports(...good, bad('default/bad'));
      const refused = [
        { name: 'default/bad', why: expect.stringMatching(/out of range.*--rcheck --seconds 8589934592/) },
      ];
      expect(await mode.update(ports, new Set(['default/bad']))).toMatchObject({ refused, isRetried: true });
      expect(saved()).toEqual(before);
      // From nothing, among others, and after a restart.
      using restarted = make();
      expect(await restarted.replace(ports)).toMatchObject({ refused });
      expect(saved()).toEqual(before);
      await restarted.cleanUp();
      ports.set(bad('another/bad'));
      const all = [{ name: 'another/bad', why: expect.any(String) }, ...refused];
      const { refused: found } = await restarted.replace(ports);
      expect([...found].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(all);
      expect(saved()).toEqual(before);
      // One that changes meanwhile is programmed, one that is known is tried alone, and one that is mended comes in.
      ports.delete('another/bad');
      ports.set(web('10.244.1.7:8080'));
      restored = [];
      expect(
        await restarted.update(ports, new Set(['default/bad', 'another/bad', 'default/web:http'])),
      ).toMatchObject({ refused });
      expect(restored).toHaveLength(3);
      ports.set(
        port({ name: 'default/bad', frontends: ['cluster-ip 10.96.0.9:80'], endpoints: ['10.244.9.1:80'] }),
      );
      expect(await restarted.update(ports, new Set(['default/bad']))).toMatchObject({ refused: [] });
      expect(saved().join()).toContain('--to-destination 10.244.9.1:80');
      expect(saved().join()).toContain('--to-destination 10.244.1.7:8080');
      expect(saved().join()).not.toContain('TRIAL');
      expect(await restarted.verify(ports)).toMatchObject({ changes: 0, refused: [] });
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
