/**
 * The compiled agent on a real etcd that holds thousands of leases, beside flanneld: from the start to the last route,
 * the memory that it keeps, and how long a node that joins or leaves waits for its route while a hundred do so every
 * second.
 */

import { mkdirSync, readFileSync } from 'node:fs';
import type { Subprocess } from 'bun';
import { formatCidr } from '../../shared/ip/cidr.ts';
import { RTM, RTNLGRP } from '../../shared/netlink/codec/constants.ts';
import { NETLINK } from '../../shared/netlink/codec/message.ts';
import { decodeRoute } from '../../shared/netlink/codec/route.ts';
import { NetlinkMonitor } from '../../shared/netlink/monitor.ts';
import { enterWorld } from '../cni/world.ts';
import { etcdProgram } from '../etcd/program.ts';
import { Etcd } from '../etcd/server.ts';
import { flanneld, flanneldMissing } from '../flannel/programs.ts';
import { run } from '../testing/netns.ts';
import { type Figure, median, quantile } from './figure.ts';

const prefix = '/coreos.com/network';
const netConf = '{"Network":"10.0.0.0/8","SubnetLen":24,"Backend":{"Type":"vxlan"}}';
/** How many programs may ask etcd at a time while it is filled. */
const WIDTH = 64;
const CHURN_PER_SECOND = 100;
/** A start that takes longer than this (ms) has failed. */
const PATIENCE_MS = 60_000;

/** Peer number `n`: subnet 10.x.y.0/24, public address 172.16.x.y. */
const subnetOf = (n: number): string => `10.${1 + (n >> 8)}.${n & 255}.0/24`;
const keyOf = (n: number): string => `${prefix}/subnets/${subnetOf(n).replace('/', '-')}`;

function leaseOf(n: number): string {
  const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
  return JSON.stringify({
    PublicIP: `172.${16 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`,
    PublicIPv6: null,
    BackendType: 'vxlan',
    BackendData: { VNI: 1, VtepMAC: `0a:58:00:${hex(n >> 16)}:${hex((n >> 8) & 255)}:${hex(n & 255)}` },
  });
}

async function fill(etcd: Etcd, peers: number): Promise<string> {
  await etcd.put(`${prefix}/config`, netConf);
  const { ID } = await etcd.call<{ ID: string }>('lease/grant', { TTL: 86_400 });
  for (let from = 0; from < peers; from += WIDTH) {
    const some = Array.from({ length: Math.min(WIDTH, peers - from) }, (_, index) => from + index);
    await Promise.all(some.map((n) => etcd.put(keyOf(n), leaseOf(n), ID)));
  }
  return ID;
}

/** Tells when routes come and go, by the kernel's own word. */
class RouteWatch implements Disposable {
  readonly #monitor: NetlinkMonitor;
  readonly #there = new Set<string>();
  #listeners: (() => void)[] = [];
  lost = false;

  static async open(): Promise<RouteWatch> {
    const watch: RouteWatch = new RouteWatch(
      await NetlinkMonitor.open({
        protocol: NETLINK.ROUTE,
        groups: [RTNLGRP.IPV4_ROUTE],
        receiveBuffer: 64 << 20,
        onMessages: (messages) => watch.#hear(messages),
        onResync: () => {
          watch.lost = true;
        },
        onError: () => {
          watch.lost = true;
        },
      }),
    );
    return watch;
  }

  private constructor(monitor: NetlinkMonitor) {
    this.#monitor = monitor;
  }

  /** Resolves with the time (ms) when `done` holds for what is there. @throws Error when it takes too long */
  async until(what: string, done: (there: ReadonlySet<string>) => boolean): Promise<number> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!done(this.#there)) {
      if (this.lost) throw new Error('events were lost');
      const late = await Promise.race([
        new Promise<false>((resolve) => this.#listeners.push(() => resolve(false))),
        Bun.sleep(Math.max(1, deadline - performance.now())).then(() => true),
      ]);
      if (late) throw new Error(`${what}: not within ${PATIENCE_MS} ms, ${this.#there.size} routes`);
    }
    return performance.now();
  }

  forget(): void {
    this.#there.clear();
  }

  #hear(messages: Parameters<Parameters<typeof NetlinkMonitor.open>[0]['onMessages']>[0]): void {
    for (const { type, payload } of messages) {
      if (type !== RTM.NEWROUTE && type !== RTM.DELROUTE) continue;
      const { destination, gateway } = decodeRoute(payload);
      if (!gateway) continue;
      if (type === RTM.NEWROUTE) this.#there.add(formatCidr(destination));
      else this.#there.delete(formatCidr(destination));
    }
    for (const listener of this.#listeners.splice(0)) listener();
  }

  [Symbol.dispose](): void {
    this.#monitor.close();
  }
}

function pssMiB(pid: number): number {
  const kib = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

/** One of the two agents. */
interface Side {
  readonly name: string;
  start(endpoint: string): Subprocess;
}

const common = (endpoint: string): string[] => [
  `--etcd-endpoints=${endpoint}`,
  '--subnet-file=/run/flannel/subnet.env',
  '--iface=eth0',
  '--ip-masq',
];
const start = (cmd: string[]): Subprocess =>
  Bun.spawn({
    cmd: ['setpriv', '--pdeathsig', 'KILL', '--', ...cmd],
    env: { PATH: process.env['PATH'] ?? '', NODE_NAME: 'bench' },
    stdout: 'ignore',
    stderr: process.env['BENCH_LOG'] ? 'inherit' : 'ignore',
  });

function sides(executable: string): Side[] {
  const missing = flanneldMissing();
  if (missing) process.stderr.write(`no comparison: ${missing}\n`);
  return [
    {
      name: 'ours',
      start: (endpoint) => start([executable, 'agent', ...common(endpoint), '--state-dir=/run/agent']),
    },
    ...(missing
      ? []
      : [{ name: 'flanneld', start: (endpoint: string) => start([flanneld, ...common(endpoint)]) }]),
  ];
}

async function end(child: Subprocess): Promise<void> {
  child.kill('SIGKILL');
  await child.exited;
}

/** Nothing of a former agent is left: the start is from an empty kernel. */
function clean(): void {
  run(
    'sh',
    '-c',
    'ip link delete flannel.1 2>/dev/null; rm -rf /run/agent/* /run/flannel/*; nft flush ruleset',
  );
}

interface Measured {
  readonly starts: number[];
  memory: number;
  lags: number[];
}

/** Starts one of them, and reads its memory two seconds after. */
async function startOnce(side: Side, etcd: Etcd, peers: number, into: Measured): Promise<void> {
  clean();
  using watch = await RouteWatch.open();
  const before = performance.now();
  const child = side.start(etcd.endpoint);
  try {
    into.starts.push((await watch.until(side.name, (there) => there.size >= peers)) - before);
    await Bun.sleep(2000);
    into.memory = pssMiB(child.pid);
  } finally {
    await end(child);
  }
}

/** Nodes join and leave in turn, a hundred of each a second; from etcd's answer to the kernel's event. */
async function churn(
  side: Side,
  etcd: Etcd,
  peers: number,
  lease: string,
  seconds: number,
): Promise<number[]> {
  clean();
  using watch = await RouteWatch.open();
  const child = side.start(etcd.endpoint);
  const lags: number[] = [];
  try {
    await watch.until(side.name, (there) => there.size >= peers);
    await Bun.sleep(2000);
    const begin = performance.now();
    const waits: Promise<void>[] = [];
    const change = async (n: number, joins: boolean): Promise<void> => {
      const at = performance.now();
      if (joins) await etcd.put(keyOf(n), leaseOf(n), lease);
      else await etcd.delete(keyOf(n));
      const seen = await watch.until(side.name, (there) => there.has(subnetOf(n)) === joins);
      lags.push(seen - at);
    };
    for (let index = 0; index < seconds * CHURN_PER_SECOND; index += 1) {
      const due = begin + (index * 1000) / CHURN_PER_SECOND;
      await Bun.sleep(Math.max(0, due - performance.now()));
      const n = peers + (index % 1000);
      waits.push(change(n, true).then(() => change(n, false)));
    }
    await Promise.all(waits);
  } finally {
    await end(child);
  }
  return lags;
}

/** Both, in turn. */
export async function benchEtcd(executable: string, peers: number, rounds: number): Promise<Figure[]> {
  const program = etcdProgram();
  using world = program === undefined ? undefined : (enterWorld() ?? undefined);
  if (!world || program === undefined) return [];
  for (const directory of ['/run/agent', '/run/flannel']) mkdirSync(directory, { recursive: true });
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'link', 'add', 'eth0', 'type', 'bridge');
  run('ip', 'link', 'set', 'eth0', 'up');
  run('ip', 'address', 'add', '172.31.0.1/12', 'dev', 'eth0');
  run('ip', 'route', 'add', 'default', 'via', '172.31.0.254');
  await using etcd = await Etcd.start({ program, directory: '/run/etcd' });
  const lease = await fill(etcd, peers);
  const all = sides(executable);
  const measured = new Map<string, Measured>(
    all.map(({ name }) => [name, { starts: [], memory: 0, lags: [] }]),
  );
  const of = (side: Side): Measured => measured.get(side.name) as Measured;
  for (let round = 0; round < rounds; round += 1) {
    for (const side of all) await startOnce(side, etcd, peers, of(side));
  }
  for (const side of all) of(side).lags = await churn(side, etcd, peers, lease, 10);
  const ours = measured.get('ours') as Measured;
  const theirs = measured.get('flanneld');
  const peer = (value: (of: Measured) => number): { peer?: number } =>
    theirs ? { peer: value(theirs) } : {};
  const figure = (name: string, value: (of: Measured) => number, more: Partial<Figure>): Figure => ({
    name: `agent, ${peers} peers in etcd: ${name}`,
    ours: value(ours),
    ...peer(value),
    rounds,
    ...more,
  });
  const note =
    'from the request to etcd to the event of the kernel, 100 joins and 100 leaves a second for 10 s.';
  const lags = { rounds: ours.lags.length, note };
  return [
    figure('start to last route', ({ starts }) => median(starts), { budget: 400 }),
    figure('memory (PSS)', ({ memory }) => memory, { budget: 70, unit: 'MiB', rounds: 1 }),
    figure('a node joins or leaves, p50', (one) => median(one.lags), lags),
    figure('a node joins or leaves, p99', (one) => quantile(one.lags, 0.99), { ...lags, budget: 50 }),
  ];
}
