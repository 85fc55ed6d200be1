/**
 * The service proxy beside kube-proxy, on one real API server: from the start to the last service that answers, one change
 * until its first connection, a hundred changes a second, memory and processor time.
 *
 * What counts is a client's connection: services' endpoints are listeners on this node, and a client tries until it gets
 * through, for both alike. Mode ipvs is measured in the VM (`conformance/vm`), where only the ratios say something.
 */

import { connect } from 'node:net';
import type { Subprocess } from 'bun';
import { LinuxIpvs } from '../../cni/proxy/ipvs/linux-kernel.ts';
import { removeAll } from '../../cni/proxy/ipvs/remove-all.ts';
import { removeKubeProxyRules } from '../../cni/proxy/leftovers/kube-proxy.ts';
import { systemClock } from '../../shared/daemon/clock.ts';
import { silentLogger } from '../../shared/log/logger.ts';
import { Rtnetlink } from '../../shared/netlink/rtnetlink.ts';
import { enterWorld } from '../cni/world.ts';
import { etcdProgram } from '../etcd/program.ts';
import { ControlPlane, controlPlaneMissing } from '../kubernetes/control-plane.ts';
import { ipsetEnvironment } from '../kubernetes/ipset.ts';
import { kubernetesMissing, kubernetesProgram } from '../kubernetes/programs.ts';
import { kernelHas } from '../testing/kernel-features.ts';
import { run, TemporaryDirectory } from '../testing/netns.ts';
import { isVm } from '../testing/slowness.ts';
import { pssMiB } from './agent.ts';
import { type Figure, median, quantile } from './figure.ts';
import { busyMsOf } from './kubernetes.ts';

/** Requests at a time while the cluster is filled. */
const AT_ONCE = 32;
/** kube-proxy's first run takes 10 s at 10,000 services, and 40 s in iptables mode. */
const PATIENCE_MS = 180_000 * (isVm ? 10 : 1);
/**
 * Between two tries of a client (ms): at first, and at the most. Each is a tenth longer than the one before, so that five hundred
 * clients who wait for seconds do not take the processor from what they wait for.
 */
const FIRST_TRY_MS = 1;
const LAST_TRY_MS = 100;
const TRY_GROWTH = 1.1;
const TRY_TIMEOUT_MS = isVm ? 3000 : 100;
/** How many single changes are measured. */
const SINGLES = 10;
/** What a start leaves to be done is over after it (ms). */
const SETTLE_MS = 5000 * (isVm ? 6 : 1);
const CHURN_PER_SECOND = 100;
const CHURN_SECONDS = 10;
/** The node's own address. */
const NODE = '192.0.2.1';
/** Where the endpoints listen. */
const PORT = 8080;
/** The API server's --service-cluster-ip-range in ControlPlane. */
const SERVICE_NETWORK = '10.96.0.0/16';
const SERVICES = '/api/v1/namespaces/default/services';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';

interface Side {
  readonly name: 'ours' | 'peer';
  start(kubeconfig: string): Subprocess;
  clean(): Promise<void>;
}

interface Measured {
  coldMs: number;
  coldBusyMs: number;
  readonly singles: number[];
  churnBusyMs: number;
  readonly churn: number[];
  memory: number;
}

export interface ServicesShape {
  readonly services: number;
  readonly endpoints: number;
  readonly mode: 'nftables' | 'iptables' | 'ipvs';
  /** Without a hundred changes a second, which an emulated processor does not do. */
  readonly quiet?: boolean;
}

/** @throws Error when a service never answers */
export async function benchServices(executable: string, shape: ServicesShape): Promise<Figure[]> {
  if (shape.mode === 'ipvs' && !kernelHas('ipvs', 'dummy')) return [];
  etcdProgram();
  const ipset = shape.mode === 'ipvs' ? ipsetEnvironment() : {};
  const missing = controlPlaneMissing() ?? (ipset ? undefined : 'ipset is missing');
  if (missing !== undefined) {
    process.stderr.write(`no figures of services: ${missing}\n`);
    return [];
  }
  using world = enterWorld() ?? undefined;
  if (!world) return [];
  using directory = new TemporaryDirectory();
  run('ip', 'link', 'add', 'eth0', 'type', 'bridge');
  run('ip', 'link', 'set', 'eth0', 'up');
  run('ip', 'address', 'add', `${NODE}/24`, 'dev', 'eth0');
  run('ip', 'route', 'add', 'default', 'via', '192.0.2.254');
  answerEverywhere();
  using _ = Bun.listen({ hostname: '0.0.0.0', port: PORT, socket: { data: () => undefined } });
  await using plane = await ControlPlane.start({ directory: directory.path });
  await plane.createNode({ name: 'bench', podCidrs: ['10.244.0.0/24'], addresses: [NODE] });
  const cluster = new Cluster(plane, shape.endpoints);
  await cluster.fill(shape.services);
  const kubeconfig = plane.kubeconfig('admin', plane.adminKeys);
  const measured = new Map<string, Measured>();
  for (const side of sides(executable, shape.mode, ipset))
    measured.set(side.name, await measure(side, cluster, kubeconfig, shape));
  return figures(shape, measured.get('ours'), measured.get('peer'));
}

function sides(executable: string, mode: string, env: Readonly<Record<string, string>> = {}): Side[] {
  const start = (cmd: string[], kubeconfig: string): Subprocess =>
    Bun.spawn({
      cmd: [
        ...[
          'setpriv',
          '--pdeathsig',
          'KILL',
          '--',
          ...cmd,
          `--kubeconfig=${kubeconfig}`,
          `--proxy-mode=${mode}`,
        ],
        ...['--cluster-cidr=10.244.0.0/16', '--hostname-override=bench', '--conntrack-max-per-core=0'],
        '--oom-score-adj=0',
      ],
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdout: 'ignore',
      stderr: process.env['BENCH_LOG'] ? 'inherit' : 'ignore',
    });
  const flush = async (): Promise<void> => {
    run('nft', 'flush', 'ruleset');
    for (const table of ['nat', 'filter', 'mangle'])
      run('sh', '-c', `iptables-legacy -t ${table} -F; iptables-legacy -t ${table} -X`);
    if (mode === 'ipvs') await removeIpvs();
  };
  const missing = kubernetesMissing('kube-proxy');
  if (missing !== undefined) process.stderr.write(`no comparison: ${missing}\n`);
  return [
    {
      name: 'ours',
      start: (kubeconfig) => start([executable, 'proxy', '--state-dir=/run/proxy'], kubeconfig),
      clean: flush,
    },
    ...(missing === undefined
      ? [
          {
            name: 'peer' as const,
            start: (kubeconfig: string) => start([kubernetesProgram('kube-proxy')], kubeconfig),
            clean: flush,
          },
        ]
      : []),
  ];
}

/**
 * The virtual servers as well that connections of the side before still go through, or just have: the next one's would answer
 * before it has done anything.
 */
async function removeIpvs(): Promise<void> {
  await removeKubeProxyRules(silentLogger);
  using links = Rtnetlink.open();
  using kernel = new LinuxIpvs(4, links);
  await removeAll(kernel, systemClock);
  const left = kernel.servers().size;
  if (left > 0) throw new Error(`${left} virtual servers are left of the side before`);
}

/**
 * Every endpoint is an address of this node, where one listener answers; a service that is not programmed is an address of
 * another namespace, which refuses at once.
 */
function answerEverywhere(): void {
  run('ip', 'link', 'set', 'lo', 'up');
  run('ip', 'route', 'add', 'local', '10.128.0.0/9', 'dev', 'lo');
  run('ip', 'netns', 'add', 'nobody');
  run('ip', 'link', 'add', 'nobody', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'nobody');
  run('ip', 'link', 'set', 'nobody', 'up');
  run('ip', 'address', 'add', '198.51.100.1/24', 'dev', 'nobody');
  const there = (...argv: string[]): void => void run('ip', '-n', 'nobody', ...argv);
  there('link', 'set', 'lo', 'up');
  there('link', 'set', 'eth0', 'up');
  there('address', 'add', '198.51.100.2/24', 'dev', 'eth0');
  there('route', 'add', 'local', SERVICE_NETWORK, 'dev', 'lo');
  there('route', 'add', 'default', 'via', '198.51.100.1');
  run('ip', 'route', 'add', SERVICE_NETWORK, 'via', '198.51.100.2');
}

/** Services of the API server, each with a slice. */
class Cluster {
  readonly #plane: ControlPlane;
  readonly #endpoints: number;
  /** The last one of the first filling. */
  last = '';

  constructor(plane: ControlPlane, endpoints: number) {
    this.#plane = plane;
    this.#endpoints = endpoints;
  }

  async fill(services: number): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < services) {
        const index = next++;
        const address = await this.add(index);
        if (index === services - 1) this.last = address;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /** @returns its cluster IP, when the API server has both objects */
  async add(index: number): Promise<string> {
    const name = nameOf(index);
    await this.#has(SLICES, {
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: '', port: PORT, protocol: 'TCP' }],
      endpoints: Array.from({ length: this.#endpoints }, (_, n) => ({
        addresses: [`10.${128 + ((index >> 8) & 127)}.${index & 255}.${1 + n}`],
        nodeName: 'bench',
      })),
    });
    const clusterIP = addressOf(index);
    await this.#has(SERVICES, {
      metadata: { name },
      spec: { clusterIP, ports: [{ port: 80, targetPort: PORT, protocol: 'TCP' }] },
    });
    return clusterIP;
  }

  /** One of twenty thousand requests may well take longer than a client has patience. */
  async #has(path: string, object: object): Promise<void> {
    await this.#plane.admin.ensure(path, object).catch((error: unknown) => {
      if ((error as Error).name !== 'TimeoutError') throw error;
      return this.#plane.admin.ensure(path, object);
    });
  }

  async remove(index: number): Promise<void> {
    await this.#plane.admin.delete(`${SERVICES}/${nameOf(index)}`);
    await this.#plane.admin.delete(`${SLICES}/${nameOf(index)}`);
  }
}

/** Out of SERVICE_NETWORK. */
const addressOf = (index: number): string => `10.96.${1 + (index >> 8)}.${index & 255}`;
const nameOf = (index: number): string => `s-${String(index).padStart(6, '0')}`;

/**
 * Resolves with the time (ms) when a service answers. Tries do not wait for each other: what goes to an address that is not
 * programmed yet may be dropped. @throws Error when it takes too long
 */
async function answers(address: string): Promise<number> {
  const deadline = performance.now() + PATIENCE_MS;
  let at: number | undefined;
  for (let pause = FIRST_TRY_MS; at === undefined; pause = Math.min(LAST_TRY_MS, pause * TRY_GROWTH)) {
    if (performance.now() > deadline) throw new Error(`${address} does not answer within ${PATIENCE_MS} ms`);
    tryOnce(address, () => {
      at ??= performance.now();
    });
    await Bun.sleep(pause);
  }
  return at;
}

function tryOnce(host: string, onConnect: () => void): void {
  const socket = connect({ host, port: 80 });
  socket.once('connect', () => {
    onConnect();
    socket.destroy();
  });
  socket.once('error', () => socket.destroy());
  socket.setTimeout(TRY_TIMEOUT_MS, () => socket.destroy());
}

async function measure(
  side: Side,
  cluster: Cluster,
  kubeconfig: string,
  shape: ServicesShape,
): Promise<Measured> {
  await side.clean();
  const begin = performance.now();
  const child = side.start(kubeconfig);
  try {
    const coldMs = (await answers(cluster.last)) - begin;
    // What a start leaves to be done afterwards is not measured with what follows; and the time of the programs that were run
    // counts once they have ended, which iptables-restore does long after its rules are in.
    await Bun.sleep(SETTLE_MS);
    const coldBusyMs = busyMsOf(child.pid);
    const singles: number[] = [];
    for (let index = shape.services; index < shape.services + SINGLES; index += 1) {
      const address = await cluster.add(index);
      const created = performance.now();
      singles.push((await answers(address)) - created);
      await Bun.sleep(SETTLE_MS / 10);
    }
    const busy = busyMsOf(child.pid);
    const churn = shape.quiet ? [] : await churnFor(cluster, shape.services + SINGLES);
    const churnBusyMs = busyMsOf(child.pid) - busy;
    await Bun.sleep(SETTLE_MS);
    const memory = pssMiB(child.pid);
    for (let index = shape.services; index < shape.services + SINGLES; index += 1)
      await cluster.remove(index);
    return { coldMs, coldBusyMs, singles, churn, churnBusyMs, memory };
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}

/** Half of the changes are new services, whose first connection is waited for; half are removals. */
async function churnFor(cluster: Cluster, from: number): Promise<number[]> {
  const lags: number[] = [];
  const work: Promise<void>[] = [];
  const begin = performance.now();
  const count = (CHURN_PER_SECOND * CHURN_SECONDS) / 2;
  for (let n = 0; n < count; n += 1) {
    await Bun.sleep(Math.max(0, begin + (n * 2000) / CHURN_PER_SECOND - performance.now()));
    const one = async (): Promise<void> => {
      const address = await cluster.add(from + n);
      const created = performance.now();
      lags.push((await answers(address)) - created);
      await cluster.remove(from + n);
    };
    work.push(one());
  }
  await Promise.all(work);
  return lags;
}

function figures(
  { services, endpoints, mode, quiet }: ServicesShape,
  ours?: Measured,
  peer?: Measured,
): Figure[] {
  if (!ours) return [];
  const figure = (what: string, value: (of: Measured) => number, more: Partial<Figure> = {}): Figure => ({
    name: `${mode}, ${services} services × ${endpoints}: ${what}`,
    ours: value(ours),
    ...(peer && { peer: value(peer) }),
    rounds: 1,
    ...more,
  });
  const singles = { rounds: ours.singles.length };
  const churn = { rounds: ours.churn.length };
  const flat = mode === 'nftables';
  return [
    figure('start to the last service that answers', ({ coldMs }) => coldMs, flat ? { budget: 2500 } : {}),
    figure('processor time for the start', ({ coldBusyMs }) => coldBusyMs),
    figure('a new service, until a connection', ({ singles: all }) => median(all), {
      ...singles,
      ...(flat && { budget: 20 }),
    }),
    ...(quiet
      ? []
      : [
          figure('100 changes a second: a new service, p50', (one) => median(one.churn), churn),
          figure('100 changes a second: a new service, p99', (one) => quantile(one.churn, 0.99), churn),
          figure('processor time for them', ({ churnBusyMs }) => churnBusyMs),
        ]),
    figure('memory (PSS)', ({ memory }) => memory, { unit: 'MiB', ...(flat && { budget: 120 }) }),
  ];
}
