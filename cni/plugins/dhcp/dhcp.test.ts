/** The type dhcp with its daemon, against a real server, and beside upstream's plugin and daemon. */

import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Logged, ServerOptions } from '../testing/dhcp.ts';
import {
  hasServers,
  hasSocketActivation,
  startActivated,
  startBriefServer,
  startDaemon,
  startGoDaemon,
  startServer,
  untilGivenOut,
} from '../testing/dhcp.ts';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, ipJson, read, run, TestNode } from '../testing/node.ts';

const node = hasServers() ? (TestNode.enter() as TestNode) : undefined;
const go = goPlugins() as string;

const stateDir = '/var/lib/underpod/dhcp';
const serve: ServerOptions = { interface: 'br0', range: ['10.77.0.10', '10.77.0.99'] };

const conf = (ipam: Json = {}): Json => ({
  cniVersion: '1.1.0',
  name: 'net',
  type: 'bridge',
  bridge: 'br0',
  ipam: { type: 'dhcp', ...ipam },
});

const processes: Logged[] = [];

/** Keeps a process until the test is over. */
async function started(process: Promise<Logged>): Promise<Logged> {
  const one = await process;
  processes.push(one);
  return one;
}

beforeEach(() => {
  run('ip', 'link', 'add', 'br0', 'type', 'bridge');
  run('ip', 'link', 'set', 'br0', 'up');
  run('ip', 'address', 'add', '10.77.0.1/24', 'dev', 'br0');
  // A bridge without a port has no carrier, and drops the first answers while it gets one.
  run('ip', 'link', 'add', 'port0', 'up', 'master', 'br0', 'type', 'veth', 'peer', 'name', 'port1');
  run('ip', 'link', 'set', 'port1', 'up');
  const deadline = performance.now() + 5000;
  while (ipJson('link', 'show', 'br0')[0]?.['operstate'] !== 'UP')
    if (performance.now() > deadline) throw new Error('br0 has no carrier');
});

afterEach(async () => {
  for (const one of processes.splice(0)) await one.end('SIGKILL');
  run('rm', '-rf', '/run/dnsmasq.leases', '/run/go', stateDir);
  node?.reset();
});

describe.skipIf(!node)('a pod with an address from a DHCP server', () => {
  const { container, ok, call } = bound(node as TestNode);

  test('gets it, is checked, keeps it, and gives it back', async () => {
    const server = await started(startServer(serve));
    const daemon = await started(startDaemon());
    const pod = container();
    await ok('STATUS', conf());
    const result = await ok('ADD', conf(), pod);
    const [address] = await untilGivenOut(1);
    expect(result['ips']).toEqual([{ interface: 2, address: `${address}/24`, gateway: '10.77.0.1' }]);
    expect(result['routes']).toEqual([{ dst: '0.0.0.0/0', gw: '10.77.0.1' }]);
    expect(addresses(pod)).toEqual([`${address}/24`]);
    run('ip', 'netns', 'exec', pod.id, 'ping', '-c1', '-W2', '10.77.0.1');
    await ok('CHECK', { ...conf(), prevResult: result }, pod);
    await ok('DEL', { ...conf(), prevResult: result }, pod);
    await server.line(new RegExp(`DHCPRELEASE.* ${address} `));
    await untilGivenOut(0);
    expect(leases()).toEqual([]);
    expect(podVeths()).toEqual([]);
    await ok('DEL', conf(), pod);
    expect(await daemon.end('SIGTERM')).toBe(0);
  });

  test('tells and asks what the configuration says', async () => {
    const server = await started(
      startServer({ ...serve, more: ['--log-dhcp', '--dhcp-option=33,10.0.0.0,10.77.0.7'] }),
    );
    await started(startDaemon());
    const ipam = {
      provide: [
        { option: 'host-name', fromArg: 'K8S_POD_NAME' },
        { option: '60', value: 'pods' },
      ],
      request: [{ option: '33' }],
      priority: 77,
    };
    const pod = container();
    const result = await ok('ADD', conf(ipam), pod, { CNI_ARGS: 'K8S_POD_NAME=web-0' });
    await server.line(/vendor class: pods/);
    await server.line(/client provides name: web-0/);
    await server.line(/requested options: 33:static-route, 3:router, 1:netmask/);
    expect(result['routes']).toEqual([
      { dst: '10.0.0.0/8', gw: '10.77.0.7', priority: 77 },
      { dst: '0.0.0.0/0', gw: '10.77.0.1', priority: 77 },
    ]);
  });

  test('keeps it over a kill -9 of the daemon, which then renews it', async () => {
    const server = await started(startServer(serve));
    const daemon = await started(startDaemon());
    const pod = container();
    const result = await ok('ADD', conf(), pod);
    const [address] = await untilGivenOut(1);
    await server.line(/DHCPACK/);
    await daemon.end('SIGKILL');
    expect(addresses(pod)).toEqual([`${address}/24`]);
    makeDue();
    const next = await started(startDaemon());
    await server.line(new RegExp(`DHCPACK.* ${address} `));
    await next.line(/lease renewed/);
    expect(addresses(pod)).toEqual([`${address}/24`]);
    await ok('CHECK', { ...conf(), prevResult: result }, pod);
    await ok('DEL', conf(), pod);
    await untilGivenOut(0);
  });

  test('keeps it when its lease ended while no daemon ran, if the server agrees', async () => {
    const server = await started(startServer(serve));
    const daemon = await started(startDaemon());
    const pod = container();
    await ok('ADD', conf(), pod);
    const [address] = await untilGivenOut(1);
    await server.line(/DHCPACK/);
    await daemon.end('SIGTERM');
    makeDue('expiresAt');
    const next = await started(startDaemon());
    await server.line(new RegExp(`DHCPACK.* ${address} `));
    await next.line(/lease kept/);
    expect(addresses(pod)).toEqual([`${address}/24`]);
  });

  test('loses it when a server refuses to renew, and CHECK says so', async () => {
    const server = await started(startServer(serve));
    const daemon = await started(startDaemon());
    const pod = container();
    const result = await ok('ADD', conf(), pod);
    await daemon.end('SIGTERM');
    await server.end('SIGKILL');
    writeFileSync('/run/dnsmasq.leases', '');
    const other = await started(startServer({ ...serve, range: ['10.77.0.200', '10.77.0.209'] }));
    makeDue();
    const next = await started(startDaemon());
    await other.line(/DHCPNAK/);
    await next.line(/the lease is over: the address is taken from the pod/);
    await next.line(/but the pod needs/);
    expect(addresses(pod)).toEqual([]);
    const check = await call('CHECK', { ...conf(), prevResult: result }, pod);
    expect(check.json).toMatchObject({ code: 100, msg: 'the lease of eth0 is over' });
    await ok('DEL', conf(), pod);
    expect(leases()).toEqual([]);
  });

  test('renews it by itself, loses it when it expires, and gets it again when the server is back', async () => {
    const server = await started(startBriefServer(serve, 4));
    const daemon = await started(startDaemon());
    const pod = container();
    await ok('ADD', conf(), pod);
    const before = [addresses(pod), routes(pod)];
    // T1 comes after two seconds.
    await daemon.line(/lease renewed/);
    await server.end('SIGKILL');
    await daemon.line(/the lease is over: the address is taken from the pod.* why=expired/);
    expect([addresses(pod), routes(pod)]).toEqual([[], []]);
    await started(startBriefServer(serve, 4));
    await daemon.line(/lease regained/);
    expect([addresses(pod), routes(pod)]).toEqual(before);
  });

  test('that is gone without DEL is forgotten when its lease is to be renewed', async () => {
    await started(startBriefServer(serve, 2));
    const daemon = await started(startDaemon());
    const pod = container();
    await ok('ADD', conf(), pod);
    node?.removeNetns(pod);
    await daemon.line(/the pod is gone, and its lease with it/);
    expect(leases()).toEqual([]);
    await ok('DEL', conf(), pod);
  });

  test('by a daemon that sees the host’s files in another place', async () => {
    await started(startServer(serve));
    run('ln', '-sfn', '/', '/run/host');
    const flags = [
      '--hostprefix=/run/host',
      '--socketpath=/run/prefixed/dhcp.sock',
      '--pidfile=/run/dhcp.pid',
    ];
    const daemon = await started(startDaemon(...flags));
    const pod = container();
    const config = conf({ daemonSocketPath: '/run/prefixed/dhcp.sock' });
    const prevResult = await ok('ADD', config, pod);
    expect(read('/run/dhcp.pid')).toBe(String(daemon.child.pid));
    await daemon.end('SIGTERM');
    expect([existsSync('/run/dhcp.pid'), existsSync('/run/prefixed/dhcp.sock')]).toEqual([false, false]);
    await started(startDaemon(...flags));
    await ok('CHECK', { ...config, prevResult }, pod);
    await ok('DEL', config, pod);
    await untilGivenOut(0);
  });

  test('gives it back to a server whose MAC address has changed', async () => {
    const server = await started(startServer(serve));
    await started(startDaemon());
    const pod = container();
    await ok('ADD', conf(), pod);
    const [address] = addresses(pod);
    run('ip', 'link', 'set', 'br0', 'address', '02:00:00:00:00:99');
    await ok('DEL', conf(), pod);
    await server.line(new RegExp(`DHCPRELEASE.* ${address?.split('/')[0]} `));
  });

  test('is collected when the runtime does not know it any more', async () => {
    const server = await started(startServer(serve));
    await started(startDaemon());
    const [kept, lost, other] = [container(), container(), container()];
    await ok('ADD', conf(), kept);
    await ok('ADD', conf(), lost);
    await ok('ADD', { ...conf(), name: 'other' }, other);
    const gc = { ...conf(), 'cni.dev/valid-attachments': [{ containerID: kept.id, ifname: 'eth0' }] };
    const [wanted] = addresses(lost);
    await ok('GC', gc);
    await server.line(new RegExp(`DHCPRELEASE.* ${wanted?.split('/')[0]} `));
    expect(leases()).toHaveLength(2);
    await untilGivenOut(2);
    expect(addresses(kept)).toHaveLength(1);
  });

  test('costs the daemon nothing once it is over: no descriptor, no namespace', async () => {
    await started(startServer(serve));
    const daemon = await started(startDaemon());
    const descriptors = (): number => readdirSync(`/proc/${daemon.child.pid}/fd`).length;
    let first = 0;
    for (let round = 0; round < 8; round++) {
      const pod = container();
      await ok('ADD', conf(), pod);
      await ok('DEL', conf(), pod);
      node?.removeNetns(pod);
      if (round === 0) first = descriptors();
    }
    await daemon.line(/lease released/);
    // The runtime closes a socket in its own time.
    const deadline = performance.now() + 5000;
    while (descriptors() > first && performance.now() < deadline)
      await new Promise((done) => setTimeout(done, 20));
    expect(descriptors()).toBeLessThanOrEqual(first);
  });

  test('that fails after it got one gives it back', async () => {
    await started(startServer({ ...serve, more: ['--dhcp-option=121,192.0.2.0/24,203.0.113.1'] }));
    await started(startDaemon());
    const pod = container();
    // The router is on no network of the pod, so that the kernel refuses the route.
    const answer = await call('ADD', conf({ request: [{ option: '121' }] }), pod);
    expect(answer.code).not.toBe(0);
    expect(leases()).toEqual([]);
    await untilGivenOut(0);
    expect(podVeths()).toEqual([]);
  });
});

describe.skipIf(!node)('without what is needed', () => {
  const { container, call, ok } = bound(node as TestNode);

  test('no daemon: try again later, and STATUS says that nothing can be added', async () => {
    const pod = container();
    const missing = { msg: 'no DHCP daemon listens on /run/underpod/dhcp.sock' };
    expect((await call('ADD', conf(), pod)).json).toMatchObject({ code: 11, ...missing });
    expect(podVeths()).toEqual([]);
    expect((await call('DEL', conf(), pod)).json).toMatchObject({ code: 11, ...missing });
    expect((await call('STATUS', conf())).json).toMatchObject({ code: 50, ...missing });
  });

  test('no server: the daemon gives up, and nothing is left', async () => {
    await started(startDaemon('--resendtimeout=300ms'));
    const answer = await call('ADD', conf(), container());
    expect(answer.json).toMatchObject({
      code: 11,
      msg: 'no DHCP server gave eth0 an address within 0.3 s',
    });
    expect(podVeths()).toEqual([]);
    expect(leases()).toEqual([]);
  });

  test('no interface, no namespace', async () => {
    await started(startDaemon());
    const alone = { ...conf(), type: 'dhcp' };
    const pod = container();
    expect((await call('ADD', alone, pod)).json).toMatchObject({
      code: 7,
      msg: expect.stringContaining('the pod has no interface eth0'),
    });
    expect((await call('ADD', alone, { ...pod, netns: '/run/netns/none' })).json).toMatchObject({ code: 8 });
    await ok('DEL', alone, { ...pod, netns: '' });
  });

  test.skipIf(!node || !hasSocketActivation())('a socket of systemd’s outlives the daemon', async () => {
    await started(startServer(serve));
    const path = '/run/systemd.sock';
    const config = conf({ daemonSocketPath: path });
    const daemon = await started(startActivated(path));
    const pod = container();
    // The first call starts it.
    const result = await ok('ADD', config, pod);
    await daemon.line(/dhcp ready/);
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect(statSync(path).isSocket()).toBe(true);
    run('rm', path);
    await started(startActivated(path));
    await ok('CHECK', { ...config, prevResult: result }, pod);
    await ok('DEL', config, pod);
    expect(leases()).toEqual([]);
  });

  test.each(['pidfile', 'socket', 'socketpath', 'state-dir', 'hostprefix'])(
    'a --%s that depends on where it is started',
    async (flag) => {
      await expect(startDaemon(`--${flag}=relative`)).rejects.toThrow(`--${flag} must be an absolute path`);
    },
  );

  test('one daemon for a socket and for a directory of leases', async () => {
    await started(startDaemon());
    await expect(startDaemon('--socket=/run/other.sock')).rejects.toThrow(/another daemon keeps the leases/);
    await expect(startDaemon('--state-dir=/run/other')).rejects.toThrow(/another daemon listens/);
    expect(statSync('/run/underpod/dhcp.sock').mode & 0o777).toBe(0o600);
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
  });
});

describe.skipIf(!node || !go)("beside upstream's", () => {
  const { container, call, ok } = bound(node as TestNode);
  const socket = '/run/go/dhcp.sock';
  const theirs = (ipam: Json = {}): Json => conf({ daemonSocketPath: socket, ...ipam });

  test.each<[string, string[], Json]>([
    ['router and mask', [], {}],
    [
      'static routes',
      ['--dhcp-option=33,10.0.0.0,10.77.0.7,192.168.3.0,10.77.0.8'],
      { request: [{ option: '33' }] },
    ],
    [
      'classless routes',
      ['--dhcp-option=121,192.0.2.0/25,10.77.0.9,198.51.100.0/24,0.0.0.0,0.0.0.0/0,10.77.0.1'],
      { request: [{ option: '121' }], priority: 40 },
    ],
    ['no router', ['--dhcp-option=3'], { request: [{ skipDefault: true }] }],
    [
      'name servers',
      ['--dhcp-option=6,10.77.0.53', '--dhcp-option=15,example.org'],
      { request: [{ option: '6' }] },
    ],
  ])('the same pod gets the same: %s', async (_what, more, ipam) => {
    await started(startServer({ ...serve, more }));
    await started(startGoDaemon(go, socket));
    await started(startDaemon());
    const pod = container();
    const one = node?.exec(go, 'ADD', { ...theirs(ipam), cniVersion: '1.1.0' }, pod);
    expect(one?.code, one?.stdout).toBe(0);
    const kernel = [addresses(pod), routes(pod)];
    expect(node?.exec(go, 'DEL', theirs(ipam), pod).code).toBe(0);
    const two = await ok('ADD', conf(ipam), pod);
    expect(pick(two)).toEqual(pick(one?.json ?? {}));
    expect([addresses(pod), routes(pod)]).toEqual(kernel);
    await ok('CHECK', { ...conf(ipam), prevResult: two }, pod);
  });

  test('a pod of theirs is checked by ours, which takes its lease over, and is deleted by ours', async () => {
    const server = await started(startServer(serve));
    const daemon = await started(startGoDaemon(go, socket));
    const pod = container();
    const result = node?.exec(go, 'ADD', theirs(), pod).json as Json;
    await daemon.end('SIGKILL');
    await started(startDaemon());
    await ok('CHECK', { ...conf(), prevResult: result }, pod);
    expect(leases()).toHaveLength(1);
    await ok('DEL', { ...conf(), prevResult: result }, pod);
    await server.line(/DHCPRELEASE/);
    await untilGivenOut(0);
  });

  test('a pod of theirs that nobody checked is deleted by ours', async () => {
    await started(startServer(serve));
    await started(startGoDaemon(go, socket));
    const pod = container();
    expect(node?.exec(go, 'ADD', theirs(), pod).code).toBe(0);
    await started(startDaemon());
    await ok('DEL', conf(), pod);
  });

  test('their daemon is told apart', async () => {
    await started(startGoDaemon(go, socket));
    const answer = await call('ADD', { ...theirs(), type: 'dhcp' }, container());
    expect(answer.json).toMatchObject({
      code: 5,
      msg: expect.stringContaining("is not underpod's DHCP daemon"),
    });
  });
});

function bound(one: TestNode): Pick<TestNode, 'container' | 'ok' | 'call'> {
  return {
    container: (ifname) => one.container(ifname),
    ok: (...args) => one.ok(...args),
    call: (...args) => one.call(...args),
  };
}

/** IPv4 addresses of the pod's interface. */
function addresses(pod: Container): string[] {
  const [link] = node?.ipIn(pod, '-4', 'address', 'show', 'eth0') ?? [];
  return ((link?.['addr_info'] ?? []) as { local: string; prefixlen: number }[]).map(
    ({ local, prefixlen }) => `${local}/${prefixlen}`,
  );
}

/** Host ends of pods. */
function podVeths(): string[] {
  return (node?.hostVeths() ?? []).filter((name) => !name.startsWith('port'));
}

function routes(pod: Container): Json[] {
  return node?.ipIn(pod, '-4', 'route', 'show') ?? [];
}

function pick(result: Json): Json {
  return { ips: result['ips'], routes: result['routes'], dns: result['dns'] };
}

/** As if it were time already, in the daemon's own file: dnsmasq's leases last two minutes at least. */
function makeDue(from: 'renewAt' | 'expiresAt' = 'renewAt'): void {
  for (const name of leases()) {
    const path = `${stateDir}/${name}`;
    const record = JSON.parse(read(path)) as { lease: Json };
    record.lease['renewAt'] = 0;
    if (from === 'expiresAt') Object.assign(record.lease, { rebindAt: 0, expiresAt: 0 });
    writeFileSync(path, JSON.stringify(record));
  }
}

function leases(): string[] {
  return readdirSync(stateDir).filter((name) => name.endsWith('.json'));
}
