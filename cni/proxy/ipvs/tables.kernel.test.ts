import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../../conformance/testing/netns.ts';
import { IpSets } from '../../../shared/netlink/ipset.ts';
import { IptablesMode } from '../iptables/iptables-mode.ts';
import { needTables, type Tables } from '../iptables/kernel-tables.ts';
import { Machine } from '../iptables/machine.ts';
import { NO_COUNTERS } from '../iptables/packet-counters.ts';
import type { ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import { cidr, Ports, port, settings } from '../testing/ports.ts';
import { SET_KEYS, setNameOf, setTypeOf } from './names.ts';
import { planAll, planRemoval } from './tables-plan.ts';

const web = port({
  name: 'default/web:http',
  frontends: ['cluster-ip 10.96.0.1:80', 'load-balancer 192.0.2.2:80', 'node-port 30080'],
  endpoints: ['10.244.1.1:80'],
  sources: ['198.51.100.0/24'],
});
const empty = port({ name: 'default/empty', frontends: ['cluster-ip 10.96.0.4:80', 'node-port 30083'] });

describe.skipIf(!freshNetns()).each(['nft', 'legacy'] as const)('rules (%s) in the kernel', (variant) => {
  const machine = new Machine();
  const sets = IpSets.open();
  afterAll(() => {
    machine[Symbol.dispose]();
    sets[Symbol.dispose]();
  });

  beforeEach(() => {
    for (const family of [4, 6] as const)
      for (const key of SET_KEYS) {
        const type = setTypeOf(key);
        const sizes = type === 'bitmap:port' ? {} : { hashSize: 1024, maxElements: 65_536 };
        sets.create({ name: setNameOf(key, family), type, family, ...sizes });
      }
    for (const program of ['iptables', 'ip6tables'])
      for (const table of ['filter', 'nat', 'mangle']) {
        run(`${program}-${variant}`, '-t', table, '-F');
        run(`${program}-${variant}`, '-t', table, '-X');
      }
  });

  const open = (family: Family): Promise<Tables> => needTables(machine, variant, family);
  const write = async (tables: Tables, with_: ModeSettings): Promise<number> => {
    const plan = planAll(await tables.save(), [], with_);
    if (plan.text !== '') await tables.restore(plan.text);
    return plan.changes;
  };
  const left = async (tables: Tables): Promise<string[]> =>
    [...(await tables.save())].flatMap(([table, chains]) =>
      [...chains].flatMap(([chain, rules]) => [
        ...(chain.startsWith('KUBE-') ? [`${table} ${chain}`] : []),
        ...rules.filter((rule) => rule.includes('KUBE-')),
      ]),
    );

  test.each<[Family, Partial<ModeSettings>]>([
    [4, {}],
    [6, {}],
    [4, { masqueradeAll: true }],
    [6, { localDetector: { by: 'nothing' } }],
    [4, { localDetector: { by: 'interface-prefix', prefix: 'veth' } }],
    [4, { localDetector: { by: 'source', networks: [cidr('10.244.0.0/16'), cidr('10.245.0.0/16')] } }],
  ])('IPv%i %#: every rule reads back as it was written, and all of them go', async (family, more) => {
    const tables = await open(family);
    const one = settings(family, more);
    expect(await write(tables, one)).toBeGreaterThan(20);
    expect(await write(tables, one)).toBe(0);
    await tables.restore(planRemoval(await tables.save()).text);
    expect(await left(tables)).toEqual([]);
  });

  test('chains of the iptables mode are taken over, and given back', async () => {
    const tables = await open(4);
    run(`iptables-${variant}`, '-t', 'nat', '-N', 'OTHER');
    run(`iptables-${variant}`, '-t', 'nat', '-A', 'OTHER', '-j', 'ACCEPT');
    run(`iptables-${variant}`, '-t', 'nat', '-N', 'KUBE-NODEPORTS');
    run(`iptables-${variant}`, '-t', 'nat', '-A', 'PREROUTING', '-p', 'icmp', '-j', 'KUBE-NODEPORTS');
    const iptables = (): IptablesMode =>
      new IptablesMode(settings(4), {
        dropInvalid: true,
        counters: NO_COUNTERS,
        localhostNodePorts: true,
        routeLocalnet: () => {},
        open: () => open(4),
        openOther: async () => undefined,
      });
    using before = iptables();
    const ports = new Ports(web, empty);
    await before.replace(ports);
    const theirs = await left(tables);
    await write(tables, settings(4));
    const ours = await left(tables);
    expect(
      ours.filter(
        (line) =>
          !line.includes('icmp') &&
          line !== 'nat KUBE-NODEPORTS' &&
          /KUBE-(SVC-|SEP-|EXT-|FW-|NODEPORTS|EXTERNAL-SERVICES|PROXY-CANARY)/.test(line),
      ),
    ).toEqual([]);
    // What the iptables mode would take away is not its any more.
    await before.cleanUp();
    expect(await left(tables)).toEqual(ours);
    expect(await write(tables, settings(4))).toBe(0);
    using after = iptables();
    await after.replace(ports);
    expect((await left(tables)).sort()).toEqual(theirs.sort());
    expect(planRemoval(await tables.save()).text).toBe('');
    expect((await tables.save()).get('nat')?.get('OTHER')).toEqual(['-j ACCEPT']);
  });
});
