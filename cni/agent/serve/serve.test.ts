import { statSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { formatStatus } from '../../../commands/status/format.ts';
import { main as status } from '../../../commands/status.ts';
import { freshNetns, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { Metrics } from '../../../shared/metrics/metrics.ts';
import { sdNotify } from '../../../shared/sys/sd-notify.ts';
import type { Agent } from '../agent.ts';
import type { AgentStatus } from '../status.ts';
import { type Served, serveAgentSocket, serveAgentTcp } from './http.ts';
import { Starting } from './starting.ts';

// Port numbers of its own, so that nothing on the machine is in the way.
freshNetns();

const sample: AgentStatus = {
  apiVersion: 1,
  program: 'agent',
  version: '0.1.0',
  pid: 77,
  node: 'n1',
  startedAt: '2026-01-01T00:00:00.000Z',
  ready: true,
  problems: [],
  networks: ['10.244.0.0/16'],
  subnets: ['10.244.1.0/24'],
  backend: 'vxlan',
  devices: [{ name: 'flannel.1', mac: '0a:00:00:00:00:01', mtu: 1450 }],
  podMtu: 1450,
  underlays: [{ interface: 'eth0', address: '192.0.2.1', publicIp: '203.0.113.1', mtu: 1500 }],
  peers: { total: 3, carried: 1, skipped: [{ node: 'n9', why: 'its VNI is 9, ours is 1' }] },
  lastSync: { at: '2026-01-01T01:00:00.000Z', durationMs: 4.2, changes: 3 },
  repairs: { route: 2 },
  repair: true,
  ipMasq: true,
  forwardAccepts: ['FORWARD of iptables (nft)'],
  datastore: {
    type: 'embedded',
    why: 'the default',
    location: '/var/lib/underpod/store.db',
    connected: true,
    leaseUntil: '2026-01-02T00:00:00.000Z',
  },
};

function agent(ready: boolean): Agent {
  const registry = new Metrics('underpod_agent_');
  registry.counter('things', 'Things.').inc();
  const problems = ready ? [] : ['waiting for: underlay'];
  return {
    ready,
    problems,
    status: () => ({ ...sample, ready, problems }),
    metrics: { registry },
  } as unknown as Agent;
}

const stack: Disposable[] = [];
afterEach(() => {
  for (const one of stack.splice(0)) one[Symbol.dispose]();
});

describe('HTTP', () => {
  const get = async (url: string, init: BunFetchRequestInit = {}): Promise<string> => {
    const response = await fetch(url, init);
    return `${response.status} ${(await response.text()).trim()}`;
  };

  test('health, readiness and metrics on TCP; the status only on the socket', async () => {
    using directory = new TemporaryDirectory();
    stack.push(serveAgentTcp(() => agent(true), { address: '127.0.0.1', port: 9320 }, false));
    stack.push(serveAgentSocket(() => agent(true), directory.join('run')));
    expect(await get('http://127.0.0.1:9320/healthz')).toBe('200 ok');
    expect(await get('http://127.0.0.1:9320/readyz')).toBe('200 ok');
    expect(await get('http://127.0.0.1:9320/metrics')).toContain('underpod_agent_things 1');
    expect(await get('http://127.0.0.1:9320/v1/status')).toMatch(/^404/);
    expect(await get('http://127.0.0.1:9320/healthz', { method: 'POST' })).toMatch(/^405/);
    const unix = directory.join('run/agent.sock');
    expect(JSON.parse((await get('http://x/v1/status', { unix })).slice(4))).toEqual(sample);
    expect(await get('http://x/metrics', { unix })).toContain('things');
    expect(statSync(unix).mode & 0o777).toBe(0o600);
    expect(statSync(directory.join('run')).mode & 0o777).toBe(0o700);
  });

  test('an agent that is not ready says what it waits for; the health port tells nothing else', async () => {
    stack.push(serveAgentTcp(() => agent(false), { address: '127.0.0.1', port: 9321 }, true));
    expect(await get('http://127.0.0.1:9321/healthz')).toBe('200 ok');
    expect(await get('http://127.0.0.1:9321/readyz')).toBe('503 waiting for: underlay');
    expect(await get('http://127.0.0.1:9321/metrics')).toMatch(/^404/);
  });

  test('while the datastore is waited for it is alive, and says what stands in the way', async () => {
    using directory = new TemporaryDirectory();
    const datastore = {
      type: 'etcd',
      why: 'a test',
      endpoints: ['http://192.0.2.9:2379'],
      prefix: '/x',
    } as const;
    const starting = new Starting({ datastore });
    let served: Served = starting;
    stack.push(serveAgentTcp(() => served, { address: '127.0.0.1', port: 9323 }, false));
    stack.push(serveAgentSocket(() => served, directory.path));
    const tcp = (path: string): Promise<string> => get(`http://127.0.0.1:9323${path}`);
    expect(await tcp('/healthz')).toBe('200 ok');
    expect(await tcp('/readyz')).toBe('503 waiting for the datastore (etcd, http://192.0.2.9:2379 /x)');
    expect(await tcp('/metrics')).toContain('underpod_agent_ready 0');
    starting.waitsFor('nobody answers');
    const unix = directory.join('agent.sock');
    expect(await get('http://x/v1/status', { unix })).toMatch(/^503 waiting .*: nobody answers$/);
    expect(await status([`--run-dir=${directory.path}`])).toBe(1);
    served = agent(true);
    expect(await tcp('/readyz')).toBe('200 ok');
    expect(await status([`--run-dir=${directory.path}`])).toBe(0);
  });

  test('what goes wrong is told in a line', async () => {
    const fail = (): never => {
      throw new Error('the kernel says no');
    };
    const broken: Served = { ready: true, problems: [], metrics: agent(true).metrics, status: fail };
    using directory = new TemporaryDirectory();
    stack.push(serveAgentSocket(() => broken, directory.path));
    const unix = directory.join('agent.sock');
    expect(await get('http://x/v1/status', { unix })).toBe('500 the kernel says no');
  });

  test("a socket that a killed agent left is in nobody's way; a port that is taken is named", async () => {
    using directory = new TemporaryDirectory();
    writeFileSync(directory.join('agent.sock'), '');
    stack.push(serveAgentSocket(() => agent(true), directory.path));
    expect(await get('http://x/healthz', { unix: directory.join('agent.sock') })).toBe('200 ok');
    stack.push(serveAgentTcp(() => agent(true), { address: '127.0.0.1', port: 9322 }, false));
    expect(() => serveAgentTcp(() => agent(true), { address: '127.0.0.1', port: 9322 }, false)).toThrow(
      '127.0.0.1:9322',
    );
  });
});

describe('underpod status', () => {
  test('prints what every program says', () => {
    const lines = formatStatus([sample], Date.parse('2026-01-01T01:00:30Z'), false).split('\n');
    expect(lines).toEqual([
      'agent        ready, version 0.1.0, pid 77, up 1h',
      'node         n1',
      'subnets      10.244.1.0/24',
      'cluster      10.244.0.0/16',
      'backend      vxlan, flannel.1 (0a:00:00:00:00:01, MTU 1450)',
      'underlay     eth0 192.0.2.1 (public 203.0.113.1), MTU 1500',
      'peers        3 (1 kept although the registry lost them, 1 unreachable)',
      'unreachable  n9: its VNI is 9, ours is 1',
      'last sync    30s ago, 3 changes in 4.2 ms',
      'repairs      route 2',
      'masquerade   on',
      'accepted in  FORWARD of iptables (nft)',
      'datastore    embedded /var/lib/underpod/store.db (the default), connected, lease ends in 22h59m',
      '',
    ]);
  });

  test('exit code: 0 for ready, 1 for not ready, not answering and nobody there', async () => {
    using directory = new TemporaryDirectory();
    const exitCode = (): Promise<number> => status([`--run-dir=${directory.path}`]);
    expect(await exitCode()).toBe(1);
    writeFileSync(directory.join('agent.sock'), '');
    expect(await exitCode()).toBe(1);
    stack.push(serveAgentSocket(() => agent(true), directory.path));
    expect(await exitCode()).toBe(0);
    stack.splice(0)[0]?.[Symbol.dispose]();
    stack.push(serveAgentSocket(() => agent(false), directory.path));
    expect(await exitCode()).toBe(1);
    expect(await status(['surplus'])).toBe(2);
  });
});

test('without systemd nothing is sent; one that went away is an error', () => {
  sdNotify('READY=1', undefined);
  sdNotify('READY=1', 'vsock:2:1');
  expect(() => sdNotify('READY=1', '/nonexistent/notify')).toThrow(/ENOENT/);
});
