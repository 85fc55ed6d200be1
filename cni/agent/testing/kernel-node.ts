/**
 * A node for tests: an agent in this process that works on the kernel of the test's own namespace, an interface `eth0`
 * with a far end `far`, and other nodes that are leases only.
 */

import { run, TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { parseArguments } from '../../../shared/config/flags.ts';
import { type NetConf, parseNetConf } from '../../../shared/config/net-conf.ts';
import { Settings } from '../../../shared/config/settings.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import { createLogger } from '../../../shared/log/logger.ts';
import { systemClock as storeClock } from '../../../shared/store/clock.ts';
import { FakeNodeRegistry } from '../../../shared/store/registry.fake.ts';
import { Agent } from '../agent.ts';
import { AGENT_FLAGS } from '../flags.ts';
import { LinuxKernel } from '../kernel/linux-kernel.ts';
import { agentOptions } from '../options.ts';

/** What is promised: from what happens to its repair, in milliseconds, by the agent's own measure. */
export const PROMISE: number = 1000 * slowness;
/** Looking takes its time, and other tests run beside this one: this only says that something hangs. */
const LIMIT = 10_000 * slowness;

/** Runs a shell script to its end; the agent, which is in this process, stands still meanwhile. */
export const sh = (script: string): string => run('sh', '-ec', script);

/** As `sh`, but the agent goes on meanwhile. */
export async function show(script: string): Promise<string> {
  const shell = Bun.spawn(['sh', '-c', script], { stdout: 'pipe' });
  return shell.stdout.text();
}

/** Waits for a condition. @throws Error when it does not come true in time */
export async function until(what: () => string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > LIMIT) throw new Error(`${what()}: not within ${LIMIT} ms`);
    await Bun.sleep(5);
  }
}

/** Gives the namespace `eth0` with addresses and default routes of both families; forwarding is off. */
export function makeUnderlay(): void {
  sh(`ip link add eth0 type veth peer name far
    ip link set far up; ip link set eth0 up; echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
    ip addr add 192.0.2.1/24 dev eth0; ip -6 addr add 2001:db8::1/64 dev eth0 nodad
    ip route add default via 192.0.2.254; ip -6 route add default via 2001:db8::fe`);
}

export class KernelNode implements AsyncDisposable {
  readonly directory: TemporaryDirectory = new TemporaryDirectory();
  readonly registry: FakeNodeRegistry;
  readonly lines: string[] = [];
  /** What the agent measured, in milliseconds. */
  readonly lags: number[] = [];
  readonly #netConf: NetConf;
  #agent: Agent | undefined;
  /** The last picture, after a repair; what a test does besides `mended` may have changed it. */
  #seen: string | undefined;
  #stop = new AbortController();
  #end: Promise<void> = Promise.resolve();

  /** @param backend the `Backend` of net-conf.json */
  constructor(backend: Readonly<Record<string, unknown>> = { Type: 'vxlan' }) {
    this.#netConf = parseNetConf(
      JSON.stringify({
        Network: '10.244.0.0/16',
        EnableIPv6: true,
        IPv6Network: 'fd00:244::/48',
        Backend: backend,
      }),
    );
    this.registry = new FakeNodeRegistry({ networks: this.#netConf, clock: storeClock() });
  }

  get agent(): Agent {
    if (!this.#agent) throw new Error('the agent was not started');
    return this.#agent;
  }

  /** Starts an agent and waits until it is ready. */
  async start(...flags: string[]): Promise<void> {
    const args = [
      `--state-dir=${this.directory.path}`,
      `--subnet-file=${this.directory.join('flannel/subnet.env')}`,
      ...flags,
    ];
    const settings = new Settings(AGENT_FLAGS, {
      flags: parseArguments(args, AGENT_FLAGS).values,
      environment: {},
      environmentPrefix: 'FLANNELD_',
      file: {},
      fileName: 'none',
    });
    const agent = new Agent({
      kernel: LinuxKernel.open(),
      clock: systemClock,
      registry: this.registry,
      log: createLogger('agent', { level: 'debug', sink: (line) => this.lines.push(line) }),
      options: agentOptions(settings, 'n1'),
      netConf: this.#netConf,
      instance: 'n1',
      version: '0',
    });
    const { lag } = agent.metrics;
    agent.metrics.lag = (ms) => {
      this.lags.push(ms);
      lag(ms);
    };
    this.#agent = agent;
    this.#stop = new AbortController();
    this.#end = agent.run(this.#stop.signal);
    await until(
      () => `ready; ${this.lines.join('')}`,
      () => agent.ready,
    );
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#end;
  }

  /** What the test itself changes is to stay: the picture after the last repair is none any more. */
  lookAnew(): void {
    this.#seen = undefined;
  }

  /** Registers another node. */
  async join(n: number): Promise<void> {
    this.lookAnew();
    await this.registry.acquire({
      name: `peer-${n}`,
      publicIp: parseIp(`192.0.2.${100 + n}`)!,
      publicIpV6: parseIp(`2001:db8::${100 + n}`)!,
      backend: {
        type: 'vxlan',
        data: { VNI: 1, VtepMAC: `0a:00:00:00:04:0${n}` },
        v6Data: { VNI: 1, VtepMAC: `0a:00:00:00:06:0${n}` },
      },
    });
  }

  /**
   * Does some damage and waits until the picture is as before, and the agent has measured the repair.
   *
   * @param picture shows all that must come back
   * @returns the kinds of repairs that were counted
   */
  async mended(damage: string, picture: () => Promise<string>): Promise<string[]> {
    const before = this.#seen ?? (await picture());
    const counted = { ...this.agent.status().repairs };
    this.lags.length = 0;
    sh(damage);
    let after = '';
    // The agent tells of a repair a moment after it has made it.
    await until(
      () => `${damage}\n${this.lines.slice(-8).join('')}\n${difference(before, after)}`,
      async () => {
        if (this.lags.length === 0) return false;
        after = await picture();
        return after === before;
      },
    );
    this.#seen = after;
    const { repairs } = this.agent.status();
    return Object.keys(repairs).filter((kind) => repairs[kind] !== counted[kind]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.directory[Symbol.dispose]();
  }
}

function difference(before: string, after: string): string {
  const [a, b] = [before.split('\n'), after.split('\n')];
  return [
    ...a.filter((line) => !b.includes(line)).map((line) => `missing: ${line}`),
    ...b.filter((line) => !a.includes(line)).map((line) => `surplus: ${line}`),
  ].join('\n');
}

/**
 * Shows everything that the agent has in the kernel, in an order that does not depend on what was made when.
 *
 * @param more a script that shows what the test is about besides
 */
export async function picture(more = ''): Promise<string> {
  const shown =
    await show(`set +e; exec 2>&1; ip -br link show type vxlan | sed 's/@.*//;s/UNKNOWN//'; for d in flannel.1 flannel-v6.1; do
      ip -d link show $d | grep -o 'mtu [0-9]*\\|link/ether [0-9a-f:]*\\|,UP\\|local [^ ]* dev eth0\\|[a-z]*learning\\|master [^ ]*'; ip -br addr show $d | sed 's/fe80[^ ]*//'
      ip neigh show dev $d nud permanent; ip -6 neigh show dev $d nud permanent; bridge fdb show dev $d
    done; ip route show proto 93; ip -6 route show proto 93; nft -s list ruleset; iptables-legacy -S
    cd /proc/sys/net; cat ipv4/ip_forward ipv6/conf/all/forwarding
    grep -H . ipv[46]/conf/eth0/forwarding ipv[46]/conf/flannel*/forwarding; ${more}; true`);
  return shown
    .split('\n')
    .map((line) => line.trim())
    .sort()
    .join('\n');
}
