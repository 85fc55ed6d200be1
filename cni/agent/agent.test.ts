import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parseArguments } from '../../shared/config/flags.ts';
import { parseNetConf } from '../../shared/config/net-conf.ts';
import { Settings } from '../../shared/config/settings.ts';
import { FakeClock } from '../../shared/daemon/fake-clock.ts';
import { parseCidr } from '../../shared/ip/cidr.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { createLogger } from '../../shared/log/logger.ts';
import { type Route, RTPROT } from '../../shared/netlink/codec/route.ts';
import { Transaction } from '../../shared/nftables/transaction.ts';
import { FakeNodeRegistry } from '../../shared/store/registry.fake.ts';
import type { NodeInfo } from '../../shared/store/registry.ts';
import { Agent } from './agent.ts';
import { AGENT_FLAGS } from './flags.ts';
import { FakeKernel } from './kernel/fake-kernel.ts';
import { ROUTE_PROTOCOL } from './network/desired.ts';
import { agentOptions } from './options.ts';
import { OWN_TABLE } from './rules/own-table.ts';
import { publicKeyOf } from './wireguard-key-file.ts';

const HOUR = 3_600_000;

/** A node with its kernel, a cluster's registry and a clock; gone at the end of the test. */
class TestNode {
  readonly directory = mkdtempSync(join(tmpdir(), 'underpod-agent-'));
  readonly clock = new FakeClock();
  readonly kernel = new FakeKernel();
  registry: FakeNodeRegistry;
  netConf = parseNetConf('{"Network":"10.244.0.0/16"}');
  readonly lines: string[] = [];
  #draws = 0;
  #running: { readonly stop: AbortController; readonly end: Promise<void> } | undefined;

  constructor() {
    this.registry = this.#newRegistry();
    const { network } = this.kernel;
    network.addLink('eth0', [cidr('192.0.2.1/24')]);
    network.routes.push({ ...defaultRoute, oif: network.link('eth0').index });
  }

  /** As an operator who changes net-conf.json, while the agent is stopped. */
  configure(netConf: string): void {
    this.netConf = parseNetConf(netConf);
    this.registry = this.#newRegistry();
  }

  #newRegistry(): FakeNodeRegistry {
    return new FakeNodeRegistry({
      networks: this.netConf,
      // Never the same twice: a subnet that comes back was asked for.
      random: (below) => this.#draws++ % below,
      clock: {
        now: () => this.clock.instant(),
        setTimer: (ms, callback) => {
          const timer = this.clock.after(ms, callback);
          return { [Symbol.dispose]: () => timer.cancel() };
        },
      },
    });
  }

  /** Starts an agent and lets it settle. */
  async start(...flags: string[]): Promise<Agent> {
    const args = [`--state-dir=${this.directory}`, `--subnet-file=${this.directory}/subnet.env`, ...flags];
    const { values } = parseArguments(args, AGENT_FLAGS);
    const settings = new Settings(AGENT_FLAGS, {
      flags: values,
      environment: {},
      environmentPrefix: 'FLANNELD_',
      file: {},
      fileName: 'none',
    });
    const agent = new Agent({
      kernel: this.kernel,
      clock: this.clock,
      registry: this.registry,
      log: createLogger('agent', { level: 'debug', sink: (line) => this.lines.push(line) }),
      options: agentOptions(settings, 'n1', `${this.directory}/wgkey`),
      netConf: this.netConf,
      instance: 'instance-1',
      version: '0',
    });
    const stop = new AbortController();
    this.#running = { stop, end: agent.run(stop.signal) };
    await this.pass(500);
    return agent;
  }

  /** Lets time pass and everything that it starts come to its end. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.end;
    this.#running = undefined;
  }

  join(n: number): Promise<unknown> {
    return this.registry.acquire(peer(n), { subnet: cidr(`10.244.${n}.0/24`) });
  }

  routes(): string[] {
    return this.kernel.network.routes
      .filter((route) => route.protocol === ROUTE_PROTOCOL)
      .map((route) => `${(route.destination.ip.value >> 8n) & 255n}`)
      .sort();
  }

  rules(): number {
    return this.kernel.nftables.listRules(OWN_TABLE).length;
  }

  get log(): string {
    return this.lines.join('');
  }

  get subnetEnv(): string {
    return readFileSync(`${this.directory}/subnet.env`, 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const ip = (text: string): NonNullable<ReturnType<typeof parseIp>> => parseIp(text)!;
const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;

const V4_ONLY = '{"Network":"10.244.0.0/16"}';
const DUAL = '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}';

const defaultRoute: Route = {
  destination: cidr('0.0.0.0/0'),
  gateway: ip('192.0.2.254'),
  table: 254,
  protocol: RTPROT.STATIC,
  scope: 0,
  type: 1,
  flags: 0,
  tos: 0,
};

const defaultRouteV6: Route = {
  ...defaultRoute,
  destination: cidr('::/0'),
  gateway: ip('2001:db8::ffff'),
};

function peer(n: number): NodeInfo {
  return {
    name: `peer-${n}`,
    publicIp: ip(`192.0.2.${100 + n}`),
    backend: { type: 'vxlan', data: { VNI: 1, VtepMAC: `0a:00:00:00:00:0${n}` } },
    instance: `peer-${n}`,
  };
}

const nodes: TestNode[] = [];
const newNode = (): TestNode => {
  const node = new TestNode();
  nodes.push(node);
  return node;
};
afterEach(async () => {
  for (const node of nodes.splice(0)) await node[Symbol.asyncDispose]();
});

describe('start', () => {
  test('registers, builds the device, lets pods through, writes subnet.env, and is ready', async () => {
    const node = newNode();
    const agent = await node.start();
    expect(agent.ready).toBe(true);
    expect(node.subnetEnv).toBe(
      'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
    );
    expect(node.kernel.network.link('flannel.1').mtu).toBe(1450);
    expect(node.kernel.sysctls.get('net/ipv4/ip_forward')).toBe('1');
    expect(node.rules()).toBe(1 + 5 + 2);
    const status = agent.status();
    expect(status).toMatchObject({ ready: true, node: 'n1', subnets: ['10.244.1.0/24'], problems: [] });
    expect(status.datastore).toMatchObject({ type: 'embedded', connected: true });
    const { leaseUntil = '', leaseRenewal = '' } = status.datastore;
    expect(Date.parse(leaseUntil) - Date.parse(leaseRenewal)).toBe(12 * 3_600_000);
  });

  test('a node registers although its subnet.env cannot be read, and says so', async () => {
    const node = newNode();
    mkdirSync(`${node.directory}/subnet.env`);
    const agent = await node.start();
    expect(agent.status()).toMatchObject({ ready: false, subnets: ['10.244.1.0/24'] });
    expect(node.log).toContain('the subnet file cannot be read');
    rmdirSync(`${node.directory}/subnet.env`);
    await node.pass(60_000);
    expect(agent.ready).toBe(true);
  });

  test('subnet.env waits for the switches of forwarding', async () => {
    const node = newNode();
    const write = node.kernel.writeSysctl.bind(node.kernel);
    node.kernel.writeSysctl = () => {
      throw new Error('read-only file system');
    };
    const agent = await node.start();
    expect([agent.ready, existsSync(`${node.directory}/subnet.env`)]).toEqual([false, false]);
    expect(agent.status().problems.join()).toContain('sysctl');
    node.kernel.writeSysctl = write;
    await node.pass(60_000);
    expect([agent.ready, existsSync(`${node.directory}/subnet.env`)]).toEqual([true, true]);
  });

  test('is not ready without a way to other nodes, and becomes so when one appears', async () => {
    const node = newNode();
    const { network } = node.kernel;
    const [route] = network.routes;
    network.routes = [];
    const agent = await node.start();
    expect(agent.ready).toBe(false);
    expect(agent.status().problems.join()).toContain('underlay');
    expect(node.log).toContain('--iface');
    network.routes = [route!];
    node.kernel.emit({ kind: 'route', destination: cidr('0.0.0.0/0'), device: 2, protocol: RTPROT.STATIC });
    await node.pass(500);
    expect(agent.ready).toBe(true);
  });

  test('a restart adopts everything: nothing is changed, nothing removed, the MAC stays', async () => {
    const node = newNode();
    await node.join(5);
    await node.start();
    const mac = node.kernel.network.link('flannel.1').mac;
    await node.stop();
    node.kernel.applied.length = 0;
    const agent = await node.start();
    expect(agent.ready).toBe(true);
    expect(node.kernel.applied).toEqual([]);
    expect(node.kernel.network.link('flannel.1').mac).toEqual(mac);
  });

  test('a node that lost its disk and its device gets its subnet and MAC from the registry', async () => {
    const node = newNode();
    await node.join(1);
    await node.start();
    const { mac } = node.kernel.network.link('flannel.1');
    expect(node.subnetEnv).toContain('10.244.2.1/24');
    await node.stop();
    rmSync(node.directory, { recursive: true });
    node.kernel.network.deleteLink('flannel.1');
    await node.registry.release('peer-1');
    await node.start();
    expect(node.subnetEnv).toContain('10.244.2.1/24');
    expect(node.kernel.network.link('flannel.1').mac).toEqual(mac);
  });

  test('devices of former settings go with all that is on them, others of such names stay', async () => {
    const node = newNode();
    const { network } = node.kernel;
    const vxlan = { kind: 'vxlan', id: 3, port: 8472 } as const;
    network.addLink('flannel.3', [], { kind: vxlan });
    const dual = '"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"';
    const v6 = network.link('eth0').index;
    network.addAddress(v6, cidr('2001:db8::1/64'));
    network.routes.push({ ...defaultRoute, destination: cidr('::/0'), gateway: ip('2001:db8::fe'), oif: v6 });
    node.configure(`{${dual}}`);
    await node.join(5);
    await node.start();
    const names = (): string[] => network.links.map((link) => link.name).sort();
    expect(names()).toEqual(['eth0', 'flannel-v6.1', 'flannel.1', 'flannel.3']);
    await node.stop();

    node.configure('{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan","VNI":7}}');
    const agent = await node.start();
    expect(agent.ready).toBe(true);
    expect(names()).toEqual(['eth0', 'flannel.3', 'flannel.7']);
    expect(agent.status().repairs).toEqual({});
    // What is made under an old name from now on is somebody else's.
    network.addLink('flannel.1', [], { kind: vxlan });
    await node.pass(120_000);
    await node.stop();
    await node.start();
    expect(names()).toEqual(['eth0', 'flannel.1', 'flannel.3', 'flannel.7']);
  });

  test('stale routes of a former run go, those of peers stay in place', async () => {
    const node = newNode();
    await node.join(5);
    await node.join(6);
    await node.start();
    await node.stop();
    await node.registry.release('peer-6');
    node.kernel.applied.length = 0;
    await node.start();
    expect(node.routes()).toEqual(['5']);
    expect(node.kernel.applied.map((change) => change.kind)).toEqual([
      'delete-route',
      'delete-fdb',
      'delete-neighbour',
    ]);
  });

  test('without its registry a node goes by what it remembers', async () => {
    const node = newNode();
    await node.join(5);
    await node.start();
    await node.pass(2000);
    await node.stop();
    node.kernel.network.deleteLink('flannel.1');
    node.registry.failure = new Error('the disk is gone');
    const agent = await node.start();
    expect(agent.ready).toBe(true);
    expect(node.routes()).toEqual(['5']);
    expect(agent.status().datastore).toMatchObject({ connected: false });
    expect(agent.status().problems.join()).toContain('the disk is gone');
    node.registry.failure = undefined;
    await node.pass(60_000);
    expect(agent.status().datastore.connected).toBe(true);
  });
});

test.each([
  ['gets IPv6', V4_ONLY, DUAL],
  ['gives IPv6 up', DUAL, V4_ONLY],
])(
  'a node whose cluster %s while its registry is away starts with the subnet that it has',
  async (_what, before, after) => {
    const node = newNode();
    node.kernel.network.addAddress(node.kernel.network.link('eth0').index, cidr('2001:db8::1/64'));
    node.kernel.network.routes.push({ ...defaultRouteV6, oif: node.kernel.network.link('eth0').index });
    node.configure(before);
    const first = await node.start();
    expect(first.status().problems).toEqual([]);
    expect(first.status().subnets.length).toBe(before === DUAL ? 2 : 1);
    await node.join(5);
    await node.pass(2000);
    await node.stop();
    node.kernel.network.deleteLink('flannel.1');
    node.configure(after);
    node.registry.failure = new Error('the API server is away');
    const agent = await node.start();
    await node.pass(2000);
    expect([agent.ready, ...agent.status().subnets]).toEqual([true, '10.244.1.0/24']);
    expect(node.routes()).toEqual(['5']);
    expect(node.subnetEnv).toMatch(
      /^FLANNEL_NETWORK=10.244.0.0\/16\nFLANNEL_SUBNET=10.244.1.1\/24\nFLANNEL_MTU=\d+\nFLANNEL_IPMASQ=true\n$/,
    );
  },
);

describe('peers', () => {
  test('are programmed when they join and removed when they leave', async () => {
    const node = newNode();
    const agent = await node.start();
    await node.join(5);
    await node.pass(100);
    expect(node.routes()).toEqual(['5']);
    await node.registry.release('peer-5');
    await node.pass(100);
    expect(node.routes()).toEqual([]);
    expect(agent.status().repairs).toEqual({});
  });

  test('behind NAT host-gw says why it does not work, and takes no part until it does', async () => {
    const node = newNode();
    node.configure('{"Network":"10.244.0.0/16","Backend":{"Type":"host-gw"}}');
    const agent = await node.start('--public-ip=203.0.113.1');
    await node.pass(60_000);
    expect(agent.ready).toBe(false);
    expect(agent.status().problems.join()).toMatch(/203.0.113.1 is not that of eth0, 192.0.2.1: host-gw/);
    expect(node.log.match(/host-gw does not work through NAT/g)).toHaveLength(1);
    expect((await node.registry.list()).leases).toEqual([]);
    // The address turns up: it was that of a floating IP which comes late.
    node.kernel.network.addAddress(node.kernel.network.link('eth0').index, cidr('203.0.113.1/24'));
    await node.stop();
    const other = await node.start('--public-ip=203.0.113.1', '--iface=203.0.113.1');
    await node.pass(2000);
    expect(other.ready).toBe(true);
    const [own] = (await node.registry.list()).leases;
    expect(own?.backend).toEqual({ type: 'host-gw' });
  });

  test('host-gw routes to peers on the link, replaces a foreign route, and names those that are not', async () => {
    const node = newNode();
    node.configure('{"Network":"10.244.0.0/16","Backend":{"Type":"host-gw"}}');
    const eth0 = node.kernel.network.link('eth0').index;
    const foreign = { ...defaultRoute, oif: eth0, protocol: RTPROT.STATIC, gateway: ip('192.0.2.99') };
    const { gateway: _, ...onLink } = {
      ...foreign,
      protocol: RTPROT.KERNEL,
      destination: cidr('192.0.2.0/24'),
    };
    node.kernel.network.routes.push(onLink);
    node.kernel.network.routes.push({ ...foreign, destination: cidr('10.244.5.0/24') });
    node.kernel.network.routes.push({ ...foreign, destination: cidr('10.99.0.0/24') });
    const agent = await node.start();
    const hostGw = { type: 'host-gw', data: null };
    await node.registry.acquire({ ...peer(5), backend: hostGw }, { subnet: cidr('10.244.5.0/24') });
    await node.registry.acquire(
      { ...peer(6), backend: hostGw, publicIp: ip('198.51.100.6') },
      { subnet: cidr('10.244.6.0/24') },
    );
    await node.pass(100);
    expect(node.routes()).toEqual(['5']);
    const to5 = node.kernel.network.routes.filter(
      (route) => route.destination.ip.value === ip('10.244.5.0').value,
    );
    expect(to5).toMatchObject([{ gateway: ip('192.0.2.105'), oif: eth0, protocol: ROUTE_PROTOCOL }]);
    expect(node.kernel.network.routes).toContainEqual({ ...foreign, destination: cidr('10.99.0.0/24') });
    expect(agent.status().peers.skipped).toEqual([
      { node: 'peer-6', why: expect.stringMatching(/not on the link of eth0/) },
    ]);
    expect(node.subnetEnv).toContain('FLANNEL_MTU=1500');
    await node.registry.release('peer-5');
    await node.pass(100);
    expect(node.routes()).toEqual([]);
  });

  test('WireGuard makes its key once, keeps it to itself, and has a peer a node', async () => {
    const node = newNode();
    node.configure('{"Network":"10.244.0.0/16","Backend":{"Type":"wireguard"}}');
    const agent = await node.start();
    const [own] = (await node.registry.list()).leases;
    const keyFile = join(node.directory, 'wgkey');
    const key = readFileSync(keyFile, 'utf8');
    expect(key).toMatch(/^.{43}=$/);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    const publicKey = publicKeyOf(Uint8Array.fromBase64(key)).toBase64();
    expect(own?.backend.data).toEqual({ PublicKey: publicKey, Port: 51820 });
    const data = { PublicKey: new Uint8Array(32).fill(5).toBase64(), Port: 51820 };
    const wireguard = { ...peer(5), backend: { type: 'wireguard', data } };
    await node.registry.acquire(wireguard, { subnet: cidr('10.244.5.0/24') });
    await node.pass(100);
    expect(node.kernel.network.wireguard).toMatchObject([
      {
        listenPort: 51820,
        peers: [{ endpoint: { ip: ip('192.0.2.105'), port: 51820 }, allowedIps: [cidr('10.244.5.0/24')] }],
      },
    ]);
    expect(node.subnetEnv).toContain('FLANNEL_MTU=1420');
    expect(agent.status().peers.paths).toMatchObject([{ node: 'peer-5', path: 'wireguard', rxBytes: 0 }]);
    const everything =
      node.log + JSON.stringify(agent.status()) + readFileSync(join(node.directory, 'agent.json'));
    expect(everything).not.toContain(key);
    await node.stop();
    await node.start();
    expect(readFileSync(keyFile, 'utf8')).toBe(key);
    await node.registry.release('peer-5');
    await node.pass(100);
    expect(node.kernel.network.wireguard).toMatchObject([{ peers: [] }]);
  });

  test('that cannot be reached are named', async () => {
    const node = newNode();
    const agent = await node.start();
    await node.registry.acquire({ ...peer(5), backend: { type: 'host-gw' } });
    await node.pass(100);
    expect(agent.status().peers.skipped).toEqual([
      { node: 'peer-5', why: 'its backend is host-gw, ours is vxlan' },
    ]);
    expect(node.routes()).toEqual([]);
  });

  test('stay after the registry lost its memory, until their leases end or they are back', async () => {
    const node = newNode();
    await node.join(5);
    await node.pass(HOUR);
    await node.join(6);
    const agent = await node.start();
    await node.pass(2000);
    node.registry.rebuild();
    await node.pass(2000);
    expect(node.routes()).toEqual(['5', '6']);
    expect(agent.status().peers.carried).toBe(2);
    expect(node.subnetEnv).toContain('10.244.1.1/24');

    // A restart does not forget them either.
    await node.stop();
    await node.start();
    expect(node.routes()).toEqual(['5', '6']);

    // One comes back and stays; the other one's lease ends 24 h after it was given.
    await node.join(6);
    await node.pass(23 * HOUR - 10_000);
    expect(node.routes()).toEqual(['5', '6']);
    await node.registry.renew(peer(6));
    await node.pass(60_000);
    expect(node.routes()).toEqual(['6']);
  });

  test.each([
    ['before the loss', -HOUR, 0],
    ['after the loss', 0, 56 * 365 * 24 * HOUR],
  ])('stay for all of their leases when the clock is set %s', async (_what, before, after) => {
    const node = newNode();
    const agent = await node.start();
    await node.join(5);
    await node.pass(HOUR);
    node.clock.jump(before);
    node.registry.rebuild();
    await node.pass(2000);
    node.clock.jump(after);
    await node.pass(23 * HOUR - 10_000);
    expect(agent.status().peers).toMatchObject({ total: 1, carried: 1 });
    expect(node.routes()).toEqual(['5']);
    await node.pass(70_000);
    expect(node.routes()).toEqual([]);
  });

  test('the own lease is renewed, and taken again when somebody deletes it', async () => {
    const node = newNode();
    await node.start();
    // Longer than the 24 hours of a lease; each has thousands of looks at what sends no events.
    await node.pass(30 * HOUR);
    expect((await node.registry.list()).leases.map((lease) => lease.node)).toEqual(['n1']);
    await node.registry.release('n1');
    await node.pass(1000);
    expect((await node.registry.list()).leases.map((lease) => lease.node)).toEqual(['n1']);
    expect(node.subnetEnv).toContain('10.244.1.1/24');
  });
});

describe('repair', () => {
  test('the tunnel forwards from the start, wherever the machine stood, and again when it is told not to', async () => {
    const node = newNode();
    const { sysctls, network } = node.kernel;
    const switches = ['eth0', 'flannel.1'].map((name) => `net/ipv4/conf/${name}/forwarding`);
    sysctls.set('net/ipv4/ip_forward', '1');
    for (const key of switches) sysctls.set(key, '0');
    const agent = await node.start();
    expect(agent.ready).toBe(true);
    expect(switches.map((key) => sysctls.get(key))).toEqual(['1', '1']);
    for (const [at, key] of switches.entries()) {
      sysctls.set(key, '0');
      const { index } = network.link(['eth0', 'flannel.1'][at] as string);
      node.kernel.emit({ kind: 'forwarding', family: 4, index });
      await node.pass(100);
      expect(sysctls.get(key)).toBe('1');
    }
  });

  test('what somebody deletes comes back at once and is counted', async () => {
    const node = newNode();
    await node.join(5);
    const agent = await node.start();
    const { kernel } = node;
    const { index } = kernel.network.link('flannel.1');
    kernel.network.deleteLink('flannel.1');
    kernel.emit({ kind: 'link', index, name: 'flannel.1' });
    kernel.nftables.run(new Transaction().deleteTable(OWN_TABLE));
    kernel.emit({ kind: 'nftables', family: OWN_TABLE.family, table: OWN_TABLE.name });
    kernel.sysctls.set('net/ipv4/ip_forward', '0');
    kernel.emit({ kind: 'forwarding', family: 4, index: -1 });
    await node.pass(100);
    expect(node.routes()).toEqual(['5']);
    expect(node.rules()).toBe(8);
    expect(kernel.sysctls.get('net/ipv4/ip_forward')).toBe('1');
    expect(agent.status().repairs).toEqual({
      device: 1,
      address: 1,
      neighbour: 1,
      fdb: 1,
      route: 1,
      nftables: 1,
      sysctl: 1,
    });
  });

  test("WireGuard's peers and port, of which no event tells, are put right within a second", async () => {
    const node = newNode();
    node.configure('{"Network":"10.244.0.0/16","Backend":{"Type":"wireguard"}}');
    const agent = await node.start();
    const { network } = node.kernel;
    for (const n of [5, 6]) {
      const data = { PublicKey: new Uint8Array(32).fill(n).toBase64(), Port: 51820 };
      const subnet = cidr(`10.244.${n}.0/24`);
      await node.registry.acquire({ ...peer(n), backend: { type: 'wireguard', data } }, { subnet });
    }
    await node.pass(5000);
    const [right] = network.wireguard;
    if (!right) throw new Error('no device');
    const wrongOnes: Partial<typeof right>[] = [
      { peers: right.peers.slice(1) },
      { peers: [] },
      { peers: right.peers.map((one) => ({ ...one, allowedIps: [] })) },
      { peers: right.peers.map((one) => ({ ...one, endpoint: { ip: ip('192.0.2.99'), port: 1 } })) },
      { peers: [...right.peers, { ...right.peers[0]!, publicKey: new Uint8Array(32).fill(9) }] },
      { listenPort: 4500 },
    ];
    for (const wrong of wrongOnes) {
      const { at } = agent.status().lastSync ?? {};
      network.wireguard = [{ ...right, ...wrong }];
      await node.pass(900);
      expect(network.wireguard[0]).toMatchObject({ listenPort: 51820 });
      const sorted = [...(network.wireguard[0]?.peers ?? [])].sort(
        (a, b) => (a.publicKey[0] ?? 0) - (b.publicKey[0] ?? 0),
      );
      expect(sorted).toEqual(right.peers);
      expect(agent.status().lastSync?.at).not.toBe(at);
    }
    expect(agent.status().repairs).toEqual({ 'wireguard-peer': 8, device: 1 });
    // Among peers that were just heard, too, whose endpoint may be another one after a packet of theirs.
    const move = (heard: number): void => {
      network.wireguard = network.wireguard.map((device) => ({
        ...device,
        peers: device.peers.map((one) => ({
          ...one,
          endpoint: { ip: ip('192.0.2.98'), port: 2 },
          handshakeAgeMs: 1000,
          rxBytes: one.rxBytes + heard,
        })),
      }));
    };
    const places = (): Set<number | undefined> =>
      new Set(network.wireguard[0]?.peers.map(({ endpoint }) => endpoint?.port));
    move(0);
    await node.pass(900);
    expect(places()).toEqual(new Set([51820]));
    move(100);
    await node.pass(2000);
    expect(places()).toEqual(new Set([2]));
    // Counters and handshakes are no damage.
    await node.pass(2000);
    const { at } = agent.status().lastSync ?? {};
    network.wireguard = network.wireguard.map((device) => ({
      ...device,
      peers: device.peers.map((one) => ({ ...one, rxBytes: one.rxBytes + 1, handshakeAgeMs: 1 })),
    }));
    await node.pass(2000);
    expect(agent.status().lastSync?.at).toBe(at);
  });

  test('a fight is not fought: repairs get rare, one line tells of it', async () => {
    const node = newNode();
    await node.join(5);
    await node.start();
    const { kernel } = node;
    let undone = 0;
    for (let round = 0; round < 600; round++) {
      const before = kernel.network.routes.length;
      kernel.network.routes = kernel.network.routes.filter((route) => route.protocol !== ROUTE_PROTOCOL);
      if (kernel.network.routes.length < before) undone += 1;
      kernel.emit({ kind: 'route', destination: cidr('10.244.5.0/24'), device: 0, protocol: ROUTE_PROTOCOL });
      await node.pass(100);
    }
    expect(undone).toBeGreaterThan(10);
    expect(undone).toBeLessThan(20);
    expect(node.lines.filter((line) => line.includes('keeps undoing'))).toHaveLength(1);
    // Once the other side gives up, the next look mends it.
    await node.pass(15_000);
    expect(node.routes()).toEqual(['5']);
  });

  test('with --repair=false nobody listens, and what was deleted stays deleted', async () => {
    const node = newNode();
    await node.join(5);
    await node.start('--repair=false');
    expect(node.kernel.listeners).toBe(0);
    node.kernel.network.routes = node.kernel.network.routes.filter(
      (route) => route.protocol !== ROUTE_PROTOCOL,
    );
    await node.pass(120_000);
    expect(node.routes()).toEqual([]);
  });

  test('what the kernel refuses is tried again, and told once', async () => {
    const node = newNode();
    node.kernel.refuse = (change) => change.kind === 'set-route';
    await node.join(5);
    const agent = await node.start();
    expect(agent.ready).toBe(false);
    await node.pass(60_000);
    expect(node.lines.filter((line) => line.includes('refused route 10.244.5.0/24'))).toHaveLength(1);
    node.kernel.refuse = undefined;
    await node.pass(60_000);
    expect(node.routes()).toEqual(['5']);
    expect(agent.ready).toBe(true);
  });

  test('another address of the underlay is followed: device, registry and rules', async () => {
    const node = newNode();
    await node.start();
    const { network } = node.kernel;
    const { index } = network.link('eth0');
    network.addresses = network.addresses.filter((address) => address.index !== index);
    node.kernel.emit({ kind: 'address', index, family: 4 });
    await node.pass(100);
    expect(node.log).toContain('lost its address');
    network.addAddress(index, cidr('192.0.2.77/24'));
    node.kernel.emit({ kind: 'address', index, family: 4 });
    await node.pass(200);
    const { kind } = network.link('flannel.1');
    expect(kind?.kind === 'vxlan' && kind.local).toEqual(ip('192.0.2.77'));
    expect((await node.registry.list()).leases[0]?.publicIp).toEqual(ip('192.0.2.77'));
  });
});

test('metrics tell peers, repairs, durations, lag and errors', async () => {
  const node = newNode();
  await node.join(5);
  const agent = await node.start();
  node.kernel.network.routes = node.kernel.network.routes.filter(
    (route) => route.protocol !== ROUTE_PROTOCOL,
  );
  node.kernel.emit({ kind: 'overrun' });
  await node.pass(200);
  const lines = (await agent.metrics.registry.expose()).split('\n');
  for (const line of [
    'underpod_agent_peers{state="programmed"} 1',
    'underpod_agent_peers{state="unreachable"} 0',
    'underpod_agent_ready 1',
    'underpod_agent_registry_connected 1',
    'underpod_agent_repairs_total{kind="route"} 1',
    'underpod_agent_event_overruns_total 1',
  ]) {
    expect(lines).toContain(line);
  }
  const names = lines.map((line) => line.split(/[{ ]/)[0]);
  expect(names).toContain('underpod_agent_program_duration_seconds_count');
  expect(names).toContain('underpod_agent_event_lag_seconds_count');
  expect(lines).toContain('# TYPE underpod_agent_errors_total counter');
});

test('a node that has the subnet of this one gets no route, and does not vanish in silence', async () => {
  const node = newNode();
  await node.join(5);
  await node.join(6);
  const agent = await node.start();
  const own = agent.status().subnets[0] ?? '';
  for (let times = 0; times < 3; times++) {
    // As two Nodes with the same pod CIDR.
    node.registry.assign('peer-6', { subnet: cidr(own) });
    await node.pass(1000);
  }
  expect(node.routes()).toEqual(['5']);
  expect(agent.status().peers.skipped).toEqual([{ node: 'peer-6', why: 'its subnet overlaps our own' }]);
  expect(await agent.metrics.registry.expose()).toContain('underpod_agent_peers{state="unreachable"} 1');
  expect(node.lines.filter((line) => line.includes('a node cannot be reached'))).toHaveLength(1);
  node.registry.assign('peer-6', { subnet: cidr('10.244.6.0/24') });
  await node.pass(1000);
  expect([node.routes(), agent.status().peers.skipped]).toEqual([['5', '6'], []]);
});

test('an underlay interface that is made anew is found again, with its tunnels', async () => {
  const node = newNode();
  await node.join(5);
  await node.start();
  const { network } = node.kernel;
  const old = network.link('eth0');
  network.deleteLink('eth0');
  network.deleteLink('flannel.1');
  node.kernel.emit({ kind: 'link', index: old.index, name: 'eth0' });
  await node.pass(100);
  const { index } = network.addLink('eth0', [cidr('192.0.2.1/24')]);
  expect(index).not.toBe(old.index);
  network.routes.push({ ...defaultRoute, oif: index });
  node.kernel.emit({ kind: 'route', destination: cidr('0.0.0.0/0'), device: index, protocol: RTPROT.STATIC });
  await node.pass(1000);
  const { kind } = network.link('flannel.1');
  expect(kind?.kind === 'vxlan' && kind.link).toBe(index);
  expect(node.routes()).toEqual(['5']);
});

test('SIGTERM leaves device, routes, rules and lease, and lets go of the kernel', async () => {
  const node = newNode();
  await node.join(5);
  await node.start();
  await node.stop();
  expect(node.routes()).toEqual(['5']);
  expect(node.rules()).toBe(8);
  expect(node.kernel.disposed).toBe(true);
  expect(node.kernel.listeners).toBe(0);
  expect((await node.registry.list()).leases).toHaveLength(2);
});
