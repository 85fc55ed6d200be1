/** macvlan and ipvlan with addresses from a DHCP server that is on the master's network. */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../../conformance/testing/kernel-features.ts';
import type { Logged } from '../../testing/dhcp.ts';
import { givenOut, hasServers, startDaemon, startServer } from '../../testing/dhcp.ts';
import type { Container, Json } from '../../testing/node.ts';
import { ipJson, run, TestNode } from '../../testing/node.ts';

const node = hasServers() ? TestNode.enter() : undefined;
const stateDir = '/var/lib/underpod/dhcp';

const conf = (type: string): Json => ({
  cniVersion: '1.1.0',
  name: 'lan',
  type,
  master: 'up0',
  ipam: { type: 'dhcp' },
});

const processes: Logged[] = [];

async function started(process: Promise<Logged>): Promise<Logged> {
  const one = await process;
  processes.push(one);
  return one;
}

const server = (): Promise<Logged> =>
  started(startServer({ interface: 'wire0', range: ['10.77.0.10', '10.77.0.99'] }));

beforeEach(() => {
  if (!node) return;
  run('ip', 'link', 'add', 'up0', 'up', 'type', 'veth', 'peer', 'name', 'wire0');
  run('ip', 'link', 'set', 'wire0', 'up');
  run('ip', 'address', 'add', '10.77.0.1/24', 'dev', 'wire0');
});

afterEach(async () => {
  for (const one of processes.splice(0)) await one.end('SIGKILL');
  run('rm', '-rf', '/run/dnsmasq.leases', stateDir);
  node?.reset();
});

describe.each(['macvlan', 'ipvlan'] as const)('%s', (type) => {
  describe.skipIf(!node || !kernelHas(type))('with dhcp', () => {
    const { container, ok, call } = bound(node as TestNode);

    test('gets a lease through the interface, renews it there, and gives it back', async () => {
      const dnsmasq = await server();
      const daemon = await started(startDaemon());
      const pod = container();
      await ok('STATUS', conf(type));
      const result = await ok('ADD', conf(type), pod);
      const [address] = givenOut();
      expect(result['ips']).toEqual([{ interface: 0, address: `${address}/24`, gateway: '10.77.0.1' }]);
      expect(addresses(pod)).toEqual([`${address}/24`]);
      run('ip', 'netns', 'exec', pod.id, 'ping', '-c1', '-W2', '10.77.0.1');
      await ok('CHECK', { ...conf(type), prevResult: result }, pod);
      await daemon.end('SIGKILL');
      run('sed', '-i', 's/"renewAt": [0-9]*/"renewAt": 0/', ...leases().map((name) => `${stateDir}/${name}`));
      const next = await started(startDaemon());
      await next.line(/lease renewed/);
      await ok('DEL', { ...conf(type), prevResult: result }, pod);
      await dnsmasq.line(new RegExp(`DHCPRELEASE.* ${address} `));
      expect([givenOut(), leases(), links(pod)]).toEqual([[], [], ['lo']]);
      await ok('DEL', conf(type), pod);
    });

    test('two pods get two addresses', async () => {
      await server();
      await started(startDaemon());
      const [one, other] = [container(), container()];
      await ok('ADD', conf(type), one);
      await ok('ADD', conf(type), other);
      expect(new Set([...addresses(one), ...addresses(other)]).size).toBe(2);
      await ok('DEL', conf(type), one);
      expect(givenOut().map((address) => `${address}/24`)).toEqual(addresses(other));
    });

    test('no server: nothing is left', async () => {
      await started(startDaemon('--resendtimeout=300ms'));
      const pod = container();
      expect((await call('ADD', conf(type), pod)).json).toMatchObject({ code: 11 });
      expect([leases(), links(pod)]).toEqual([[], ['lo']]);
    });

    test('killed at any message that it sends, GC alone or DEL alone leaves nothing', {
      timeout: 240_000,
    }, async () => {
      await server();
      await started(startDaemon());
      let killed = 0;
      for (let n = 1; ; n++) {
        const pods = [container(), container()];
        const ends = pods.map((pod) => killedAt(n, conf(type), pod));
        const [collected, deleted] = pods as [Container, Container];
        await ok('DEL', conf(type), deleted);
        expect(links(deleted), `DEL after a kill at message ${n}`).toEqual(['lo']);
        await ok('GC', { ...conf(type), 'cni.dev/valid-attachments': [] });
        expect([leases(), givenOut(), node?.locks()], `after a kill at message ${n}`).toEqual([[], [], []]);
        for (const pod of pods) node?.removeNetns(pod);
        expect(ipJson('link', 'show', 'type', type)).toEqual([]);
        if (ends.every((end) => end === 'ended')) break;
        killed += 1;
        await ok('DEL', conf(type), collected);
      }
      // To look at the master, to make and find the interface, to the daemon, to give it the address.
      expect(killed).toBeGreaterThan(4);
    });
  });
});

/** ADD by a process of its own, killed before the n-th message that it sends. */
function killedAt(n: number, config: Json, pod: Container): 'killed' | 'ended' {
  const program = resolve(import.meta.dirname, '../../testing/run-plugin.ts');
  const child = spawnSync(
    'strace',
    ['-f', '-qq', '-o', '/dev/null', '-e', `inject=sendto,sendmsg:signal=KILL:when=${n}`].concat(
      process.execPath,
      program,
      String(config['type']),
    ),
    {
      env: {
        ...process.env,
        CNI_COMMAND: 'ADD',
        CNI_PATH: '/nonexistent',
        CNI_CONTAINERID: pod.id,
        CNI_NETNS: pod.netns,
        CNI_IFNAME: pod.ifname,
      },
      input: JSON.stringify(config),
      encoding: 'utf8',
    },
  );
  if (child.signal !== null || child.status === 137) return 'killed';
  if (child.status === 0) return 'ended';
  throw new Error(`ADD: ${child.stdout}${child.stderr}`);
}

function bound(one: TestNode): Pick<TestNode, 'container' | 'ok' | 'call'> {
  return {
    container: (ifname) => one.container(ifname),
    ok: (...args) => one.ok(...args),
    call: (...args) => one.call(...args),
  };
}

function addresses(pod: Container): string[] {
  const [link] = node?.ipIn(pod, '-4', 'address', 'show', 'eth0') ?? [];
  return ((link?.['addr_info'] ?? []) as { local: string; prefixlen: number }[]).map(
    ({ local, prefixlen }) => `${local}/${prefixlen}`,
  );
}

function links(pod: Container): string[] {
  return (node?.ipIn<{ ifname: string }[]>(pod, 'link', 'show') ?? []).map(({ ifname }) => ifname);
}

function leases(): string[] {
  return existsSync(stateDir) ? readdirSync(stateDir).filter((name) => name.endsWith('.json')) : [];
}
