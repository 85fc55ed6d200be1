/**
 * The compiled agent with a thousand peers in the embedded store: how long from its start to the last route, and how
 * much memory it keeps, with no other underpod process beside it.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseNetConf } from '../../shared/config/net-conf.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { EmbeddedRegistry } from '../../shared/store/embedded/registry.ts';
import { EmbeddedStore } from '../../shared/store/embedded/store.ts';
import { enterWorld } from '../cni/world.ts';
import { run } from '../testing/netns.ts';
import { type Figure, median } from './figure.ts';

const netConf = '{"Network":"10.0.0.0/8","SubnetLen":24,"Backend":{"Type":"vxlan"}}';
const store = '/var/lib/cni/store.db';

async function register(peers: number): Promise<void> {
  using opened = EmbeddedStore.open(store);
  await using registry = new EmbeddedRegistry(opened, { networks: parseNetConf(netConf) });
  for (let index = 0; index < peers; index += 1) {
    const publicIp = parseIp(`192.0.${2 + (index >> 8)}.${index & 255}`);
    const mac = `0a:58:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
    const backend = { type: 'vxlan', data: { VNI: 1, VtepMAC: mac } };
    await registry.acquire({ name: `peer-${index}`, backend, ...(publicIp && { publicIp }) });
  }
}

export function underlay(): void {
  run('ip', 'link', 'add', 'eth0', 'type', 'bridge');
  run('ip', 'link', 'set', 'eth0', 'up');
  run('ip', 'address', 'add', '192.0.0.1/16', 'dev', 'eth0');
  run('ip', 'route', 'add', 'default', 'via', '192.0.0.254');
}

export function pssMiB(pid: number): number {
  const kib = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

export function routesTo(device: string): number {
  return run('ip', 'route', 'show', 'dev', device, 'proto', 'all')
    .split('\n')
    .filter((line) => line.includes(' via ')).length;
}

/** Waits, five times a millisecond-scale look, until the kernel holds `count` routes. @throws Error after 20 s */
async function waitForRoutes(count: number, alive: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      if (routesTo('flannel.1') === count) return;
    } catch {
      // The device is not there yet.
    }
    if (!alive()) throw new Error('the agent ended');
    if (Date.now() > deadline) throw new Error(`no ${count} routes after 20 s`);
    await delay(2);
  }
}

/** Starts the agent `rounds` times over an empty kernel, and reads its memory two seconds after the last start. */
export async function benchAgent(executable: string, peers: number, rounds: number): Promise<Figure[]> {
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  mkdirSync('/run/agent', { recursive: true });
  writeFileSync('/run/net-conf.json', netConf);
  underlay();
  await register(peers);
  const times: number[] = [];
  let memory = 0;
  for (let round = 0; round < rounds; round += 1) {
    const start = Bun.nanoseconds();
    const agent = Bun.spawn({
      cmd: [
        executable,
        'agent',
        '--store',
        store,
        '--state-dir',
        '/run/agent',
        '--net-config-path',
        '/run/net-conf.json',
      ],
      env: { NODE_NAME: 'bench', PATH: process.env['PATH'] ?? '' },
      stdout: 'ignore',
      stderr: 'ignore',
    });
    await waitForRoutes(peers, () => agent.exitCode === null);
    times.push((Bun.nanoseconds() - start) / 1e6);
    if (round === rounds - 1) {
      // Idle memory is what counts: what the start needed has been given back by then.
      await delay(2000);
      memory = pssMiB(agent.pid);
    }
    agent.kill('SIGKILL');
    await agent.exited;
    run('ip', 'link', 'delete', 'flannel.1');
  }
  return [
    { name: `agent: start to all routes, ${peers} peers in the store`, ours: median(times), rounds },
    { name: `agent: memory (PSS), ${peers} peers`, ours: memory, budget: 60, unit: 'MiB', rounds: 1 },
  ];
}
