/**
 * One node: a network, mount, UTS and PID namespace of its own. The PID namespace makes "the whole node dies" exact:
 * killing its process 1 ends everything that runs on it and frees its namespaces, pods included, as a power cut does.
 */

import { existsSync } from 'node:fs';
import type { Subprocess } from 'bun';
import { slowness } from '../testing/slowness.ts';
import {
  type Family,
  families,
  gatewayAddress,
  type IpVersions,
  nodeAddress,
  UNDERLAY_MTU,
} from './addresses.ts';
import { makeRoot, nodeInit } from './node-root.ts';
import type { Firewall } from './options.ts';
import { Probe } from './probe/handle.ts';
import { onlyChild } from './processes.ts';
import { cleanEnvironment, killQuietly, type Ran, type RunOptions, run, tryRun } from './run.ts';

/** Milliseconds for process 1 to be ready; a node's mounts take 20. */
const BOOT_TIMEOUT = 10_000 * slowness;

/** The kernel ends what follows when this process ends. */
const WITH_US = ['setpriv', '--pdeathsig', 'KILL', '--'];
const SPACES = ['--mount', '--net', '--uts', '--ipc'];

export class LabNode {
  readonly index: number;
  readonly name: string;
  /** The iptables flavour whose FORWARD chain drops here. */
  readonly firewall: Firewall;
  readonly #ipv: IpVersions;
  readonly #root: string;
  readonly #shared: string;
  #unshare: Subprocess | undefined;
  #pid: number | undefined;
  #probe: Probe | undefined;

  /** @param files the lab's tmpfs, as the holder sees it */
  constructor(index: number, ipv: IpVersions, firewall: Firewall, files: string) {
    this.index = index;
    this.name = `node${index}`;
    this.firewall = firewall;
    this.#ipv = ipv;
    this.#root = `${files}/nodes/${this.name}`;
    this.#shared = `${files}/shared`;
  }

  get isUp(): boolean {
    return this.#pid !== undefined;
  }

  /** The node's process 1 in the holder's numbering. @throws Error while the node is down */
  get pid(): number {
    if (this.#pid === undefined) throw new Error(`${this.name} is down`);
    return this.#pid;
  }

  /** The probe that runs on the node itself, outside any pod. */
  get probe(): Probe {
    if (this.#probe === undefined) throw new Error(`${this.name} is down`);
    return this.#probe;
  }

  /** Its cable's end at the underlay. */
  get #port(): string {
    return `port${this.index}`;
  }

  /** Its address on the underlay. */
  address(family: Family): string {
    return nodeAddress(this.index, family).address;
  }

  /** A path on the node as the holder reaches it. */
  path(onNode: string): string {
    return `/proc/${this.pid}/root${onNode}`;
  }

  /**
   * Starts the node: namespaces, root, underlay link, the settings a real machine starts with.
   *
   * @throws Error with what failed
   */
  async boot(): Promise<void> {
    if (!existsSync(this.#root)) await run(['sh', '-c', makeRoot(this.name, this.#root)]);
    const init = nodeInit(this.name, this.#root, this.#shared);
    const child = Bun.spawn(
      [...WITH_US, 'unshare', '--pid', '--fork', '--kill-child', ...SPACES, 'sh', '-c', init],
      { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', env: cleanEnvironment(), cwd: '/' },
    );
    const timer = setTimeout(() => killQuietly(child.pid), BOOT_TIMEOUT);
    const said = await firstLine(child.stdout);
    clearTimeout(timer);
    if (said !== 'ready')
      throw new Error(`${this.name} does not start: ${(await child.stderr.text()).trim()}`);
    this.#unshare = child;
    this.#pid = await onlyChild(child.pid, BOOT_TIMEOUT);
    await this.#plugIn();
    await this.#configure();
    this.#probe = await Probe.start(this.name, ['nsenter', `--target=${this.pid}`, '--net', '--pid', '--']);
  }

  /**
   * The cable: a veth pair from the underlay's bridge, where the holder is, to eth0. As a real machine's, eth0 has the
   * same MAC after a power cut; others would send to the old one for half a minute.
   */
  async #plugIn(): Promise<void> {
    const port = this.#port;
    const mac = `02:00:5e:00:53:${this.index.toString(16).padStart(2, '0')}`;
    await run(['ip', '-batch', '-'], {
      input: `link add ${port} mtu ${UNDERLAY_MTU} type veth peer name eth0 address ${mac} mtu ${UNDERLAY_MTU} netns ${this.pid}
link set ${port} master underlay up
`,
    });
  }

  /**
   * Addresses and sysctls. New namespaces inherit some sysctls from the first one: forwarding off and loose reverse
   * path filtering are set as Debian and most distributions have them, so that the agent has to cope.
   */
  async #configure(): Promise<void> {
    const used = families(this.#ipv);
    const addresses = used.map((family) => {
      const { address, prefix } = nodeAddress(this.index, family);
      return `address add ${address}/${prefix} dev eth0${family === 6 ? ' nodad' : ''}\n`;
    });
    const routes = used.map((family) => `route add default via ${gatewayAddress(family).address} dev eth0\n`);
    await this.run(['sh', '-c', `${SYSCTLS}${this.#dropForwarded()}`]);
    await this.run(['ip', '-batch', '-'], {
      input: `link set lo up\n${addresses.join('')}link set eth0 up\n${routes.join('')}`,
    });
  }

  #dropForwarded(): string {
    if (this.firewall === 'none') return '';
    const tools = [`iptables-${this.firewall}`, `ip6tables-${this.firewall}`];
    return tools.map((tool) => `${tool} -P FORWARD DROP\n`).join('');
  }

  /** The command that enters the node. */
  get enter(): string[] {
    return ['nsenter', `--target=${this.pid}`, '--mount', '--net', '--uts', '--ipc', '--pid', '--'];
  }

  /** Runs a command on the node. @throws CommandError */
  async run(argv: readonly string[], options?: RunOptions): Promise<string> {
    return run([...this.enter, ...argv], options);
  }

  /** Like `run`, whatever the exit code. */
  async tryRun(argv: readonly string[], options?: RunOptions): Promise<Ran> {
    return tryRun([...this.enter, ...argv], options);
  }

  /** `ip -j …` or `bridge -j …` on the node, parsed. */
  async json<T>(tool: 'ip' | 'bridge', ...args: string[]): Promise<T> {
    const text = (await this.run([tool, '-j', ...args])).trim();
    return (text === '' ? [] : JSON.parse(text)) as T;
  }

  /** The power cut. */
  async kill(): Promise<void> {
    killQuietly(this.pid);
    await this.#unshare?.exited;
    this.#pid = undefined;
    this.#probe = undefined;
    // The kernel takes its time over a namespace's links; the next boot needs the name.
    await tryRun(['ip', 'link', 'delete', this.#port]);
  }
}

/** The first line of a stream, or what there was before its end. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes('\n')) break;
  }
  return text.split('\n')[0] ?? '';
}

const SYSCTLS = `set -eu
cd /proc/sys/net
set_to() { [ ! -e "$1" ] || echo "$2" > "$1"; }
set_to ipv4/ip_forward 0
for device in all default eth0 lo; do
  set_to ipv4/conf/$device/rp_filter 2
  set_to ipv4/conf/$device/forwarding 0
  set_to ipv6/conf/$device/forwarding 0
done
# A real node's eth0 has long finished looking for duplicates of its link-local address.
set_to ipv6/conf/eth0/accept_dad 0
`;
