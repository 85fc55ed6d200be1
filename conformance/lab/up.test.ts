import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { coverWithTmpfs, run } from '../testing/netns.ts';
import {
  COMMAND_TIMEOUT,
  idsOf,
  LabUnderTest,
  labsAvailable,
  membersOf,
  type Told,
} from './lab-under-test.ts';
import { isAlive } from './processes.ts';

const isRoot = process.getuid?.() === 0;

function shown(command: string): string {
  return run(...(command.split(' ') as [string, ...string[]]));
}

/** Everything of the "host" that a lab might touch. */
function hostState(): Record<string, string> {
  const list = (directory: string): string => {
    try {
      return readdirSync(directory).join(' ');
    } catch (error) {
      return String(error);
    }
  };
  const directories = ['/run', '/run/netns', '/run/underpod', '/run/flannel', '/etc/cni', '/etc/cni/net.d'];
  directories.push('/opt/cni/bin', '/var/lib', '/var/lib/cni', '/var/lib/underpod', '/usr/local/bin');
  const sysctls = [
    'ipv4/ip_forward',
    'ipv4/conf/all/rp_filter',
    'ipv6/conf/all/forwarding',
    'ipv6/conf/all/accept_ra',
  ];
  return {
    links: run('ip', 'link'),
    addresses: run('ip', 'address'),
    routes: run('ip', 'route', 'show', 'table', 'all') + run('ip', '-6', 'route', 'show', 'table', 'all'),
    rules: run('ip', 'rule') + run('ip', '-6', 'rule'),
    neighbours: run('ip', 'neigh'),
    packetFilter: isRoot
      ? ['nft list ruleset', 'iptables-legacy-save', 'ip6tables-legacy-save'].map(shown).join()
      : '',
    mounts: readFileSync('/proc/self/mountinfo', 'utf8'),
    hostName: run('hostname'),
    ...Object.fromEntries(sysctls.map((key) => [key, readFileSync(`/proc/sys/net/${key}`, 'utf8')])),
    ...Object.fromEntries(directories.map((directory) => [directory, list(directory)])),
  };
}

const available = labsAvailable();

describe.skipIf(!available)('a lab whose agents repair', () => {
  const lab = new LabUnderTest('up');
  let before: Record<string, string>;
  let up: Told;

  beforeAll(async () => {
    if (isRoot) {
      // What other tests do there meanwhile is not this lab's.
      for (const directory of ['/run', '/var/lib']) coverWithTmpfs(directory);
      // So that there is something to disturb: a link with an address, a route, a rule, a table.
      run('ip', 'link', 'add', 'marker', 'type', 'veth', 'peer', 'name', 'marker2');
      run('ip', 'address', 'add', '192.0.2.77/24', 'dev', 'marker');
      // No link-local addresses, which would change while they are looked for on the link.
      for (const link of ['marker', 'marker2']) run('ip', 'link', 'set', link, 'addrgenmode', 'none');
      run('ip', 'link', 'set', 'marker', 'up');
      run('ip', 'link', 'set', 'marker2', 'up');
      run('ip', 'route', 'add', '10.244.0.0/16', 'via', '192.0.2.78');
      run('ip', 'rule', 'add', 'priority', '1234', 'table', '99');
      // The kernel tells of the carrier a moment later.
      while (!run('ip', 'link', 'show', 'marker2').includes('state UP')) await Bun.sleep(1);
      run('nft', 'add table inet marker { chain c { type filter hook forward priority 0; policy drop; }; }');
    }
    before = hostState();
    up = await lab.up('--firewall', 'legacy');
  }, COMMAND_TIMEOUT);
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  test('comes up with every line green', () => {
    expect(idsOf(up.rows, 'failed')).toEqual([]);
    expect(idsOf(up.rows, 'skipped')).toEqual([]);
    expect(up.rows.map((row) => row.id)).toEqual(
      expect.arrayContaining([
        ...['other-10mb/4', 'other-10mb/6', 'outside/4', 'outside/6', 'node-removed'],
        ...['service/4', 'node-port/6', 'affinity/4', 'rolling-update'],
      ]),
    );
  });

  test('stays, and says who is where', async () => {
    const { out } = await lab.must('status');
    expect(out).toMatch(/node2 {2}up .*iptables-legacy FORWARD policy DROP/);
    expect(out).toMatch(/pod3b +10\.244\.\d+\.\d+ +fd00:10:244:/);
  });

  test('lets one in, and hands on the exit code', async () => {
    const look = 'hostname; cat /proc/sys/net/ipv4/conf/eth0/rp_filter; ls /opt/cni/bin/underpod';
    const child = lab.spawn('shell', '2', '--', 'sh', '-c', `${look}; exit 7`);
    // Reverse path filtering is what a distribution sets; the agent has to live with it.
    expect(await child.stdout.text()).toBe('node2\n2\n/opt/cni/bin/underpod\n');
    expect(await child.exited).toBe(7);
  });

  test('leaves the host as it was', () => {
    expect(hostState()).toEqual(before);
  });

  test.each([
    ['fdb', 1],
    ['route', 1],
    ['device', 1],
    ['mtu', 1],
    ['masquerade', 1],
    // By a legacy iptables, which tells the agent nothing.
    ['forward', 3],
  ] as const)('puts back within a second: %s', async (what, attempts) => {
    expect(await lab.heal(what, attempts)).toBeLessThan(1000);
    const { rows } = await lab.must('check', '--only', 'forward,other-icmp,mtu,outside');
    expect(idsOf(rows, 'passed')).toHaveLength(8);
  });

  test('goes without a trace', async () => {
    const state = lab.instance.readState();
    const members = membersOf(state?.parent.pid ?? 0);
    // The holder; three nodes' first processes, agents, proxies and probes; the probes of six pods and of outside.
    expect(members.length).toBeGreaterThanOrEqual(1 + 3 * 4 + 6 + 1);
    await lab.must('down');
    expect(members.filter(isAlive)).toEqual([]);
    expect(lab.instance.holders()).toEqual([]);
    expect(existsSync(lab.instance.directory)).toBe(false);
    expect(hostState()).toEqual(before);
  });

  test('says so when there is nothing to remove', async () => {
    const { out } = await lab.must('down');
    expect(out).toContain('no lab');
  });
});

test('hostState notices what a lab might do', () => {
  if (!available || !isRoot) return;
  const before = hostState();
  run('ip', 'link', 'add', 'planted', 'type', 'bridge');
  expect(hostState()).not.toEqual(before);
  run('ip', 'link', 'del', 'planted');
});
