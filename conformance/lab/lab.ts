/** A lab as its holder has it: nodes, agents, pods and the outside host. */

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { slowness } from '../testing/slowness.ts';
import { Agent } from './agent.ts';
import { labBackend, netConf } from './backends.ts';
import { entriesOf, type NodeTrace, programmedPeer, traceOf } from './kernel-state.ts';
import { LabNode } from './node.ts';
import { SHARED } from './node-root.ts';
import type { LabOptions } from './options.ts';
import { Pod } from './pod.ts';
import type { Probe } from './probe/handle.ts';
import type { ProgramName } from './programs.ts';
import { type Report, withProgress } from './report.ts';
import { run } from './run.ts';
import { EVERYBODY, Services } from './services.ts';
import { createStore } from './stores/registry.ts';
import type { LabStore } from './stores/store.ts';
import { makeOutside, makeUnderlay } from './underlay.ts';

/** The node on which iptables' FORWARD chain drops: the second, so that it takes part in every lab of two or more. */
const DROPPING_NODE = 2;
/** Pods a node has: two, to reach each other. */
const POD_LETTERS = ['a', 'b'] as const;
/** All nodes know one another within this time, in ms, or the checks tell who does not. */
const CONVERGENCE = 5_000 * slowness;

export class Lab {
  readonly options: LabOptions;
  readonly nodes: readonly LabNode[];
  readonly store: LabStore;
  /** Where there is an embedded store for them. */
  readonly services: Services | undefined;
  readonly #files: string;
  readonly #agents = new Map<LabNode, Agent>();
  readonly #pods = new Map<LabNode, readonly Pod[]>();
  #outside: Probe | undefined;
  #temporary = 0;

  /** @param files directory on which the lab mounts its tmpfs */
  constructor(options: LabOptions, files: string) {
    this.options = options;
    this.#files = files;
    const dropping = Math.min(DROPPING_NODE, options.nodes);
    this.nodes = Array.from({ length: options.nodes }, (_, i) => {
      return new LabNode(i + 1, options.ipv, i + 1 === dropping ? options.firewall : 'none', files);
    });
    const conf = netConf(options.ipv, labBackend(options.backend), netConfOfPeers(options));
    this.store = createStore({ options, netConf: conf, directory: `${files}/servers`, nodes: this.nodes });
    const settings = { options, storeFlags: this.store.flags, logs: `${files}/logs` };
    if (options.services) this.services = new Services(options, this.nodes, `${files}/logs`);
    for (const node of this.nodes) this.#agents.set(node, new Agent(node, settings));
  }

  /** The node with this number, from 1. @throws Error if there is none */
  node(index: number): LabNode {
    const node = this.nodes[index - 1];
    if (node === undefined) throw new Error(`no node ${index}: the lab has ${this.nodes.length}`);
    return node;
  }

  /** @throws Error for a node of another lab */
  agentOf(node: LabNode): Agent {
    return this.#agents.get(node) as Agent;
  }

  /** The node's pods; while it is down, those it had. */
  podsOf(node: LabNode): readonly Pod[] {
    return this.#pods.get(node) ?? [];
  }

  get outside(): Probe {
    if (this.#outside === undefined) throw new Error('the lab has not been started');
    return this.#outside;
  }

  /** Builds everything. @throws Error with what failed */
  async start(report: Report): Promise<void> {
    await withProgress(report, 'copying the executable', this.#makeFiles());
    await makeUnderlay(this.options);
    await withProgress(
      report,
      `starting ${this.nodes.length} nodes`,
      Promise.all([
        makeOutside(this.options.ipv).then((probe) => {
          this.#outside = probe;
        }),
        ...this.nodes.map((node) => this.#boot(node)),
        this.store.start(),
      ]),
    );
    await this.#each((node) => this.store.prepare(node));
    // Every node has its own by now; 110 MB of memory are worth having back.
    rmSync(this.#installer);
    await withProgress(
      report,
      'waiting for the agents',
      this.#each(async (node) => {
        await this.agentOf(node).start();
      }),
    );
    await this.services?.announce(
      this.nodes.flatMap((node) => podNames(node).map((name) => ({ name, node }))),
    );
    await withProgress(
      report,
      'adding pods, starting service proxies',
      this.#each(async (node) => {
        await Promise.all([this.#addPods(node), this.services?.start(node)]);
      }),
    );
    await withProgress(report, 'waiting until all nodes know one another', this.converged());
  }

  async #each(work: (node: LabNode) => Promise<void>): Promise<void> {
    await Promise.all(this.nodes.map(work));
  }

  /**
   * The lab's own file system: memory that goes with the holder. The executable is copied before nodes install it,
   * because a build may replace it at any time; a running program whose file is gone cannot find itself.
   */
  async #makeFiles(): Promise<void> {
    await run(['mount', '-n', '-t', 'tmpfs', '-o', 'mode=0755', 'underpod-lab', this.#files]);
    for (const directory of ['shared', 'nodes', 'logs']) mkdirSync(`${this.#files}/${directory}`);
    await copyFile(this.options.binary, this.#installer);
    await chmod(this.#installer, 0o755);
  }

  get #installer(): string {
    return `${this.#files}/shared/underpod`;
  }

  async #boot(node: LabNode): Promise<void> {
    await node.boot();
    await node.run([`${SHARED}/underpod`, 'install']);
  }

  async #addPods(node: LabNode): Promise<void> {
    this.#pods.set(node, await Promise.all(podNames(node).map((name) => Pod.create(name, node))));
  }

  /**
   * Starts a node after a power cut, with its agent and new pods; the old ones are cleaned up as a kubelet does.
   *
   * @returns how long the agent took, in ms
   */
  async startNode(node: LabNode, program?: ProgramName): Promise<number> {
    const old = this.podsOf(node).map((pod) => pod.name);
    this.#pods.delete(node);
    await node.boot();
    await this.store.prepare(node);
    const ms = await this.agentOf(node).start(program);
    for (const name of old) await Pod.disconnect(name, node);
    await Promise.all([this.#addPods(node), this.services?.start(node)]);
    return ms;
  }

  /** The node and all that runs on it ends at once; its disk stays. */
  async powerCut(node: LabNode): Promise<void> {
    await node.kill();
    await this.agentOf(node).kill();
    await this.services?.kill(node);
  }

  /** A pod for one check. */
  async temporaryPod(node: LabNode): Promise<AsyncDisposable & { readonly pod: Pod }> {
    const pod = await Pod.create(`pod${node.index}-extra${++this.#temporary}`, node);
    return { pod, [Symbol.asyncDispose]: () => pod.remove() };
  }

  /** Waits until every node has every other in its kernel, and all pods in services, at most `timeout` ms; checks tell what is missing. */
  async converged(timeout: number = CONVERGENCE): Promise<void> {
    const deadline = performance.now() + timeout;
    const traces = new Map<LabNode, NodeTrace[]>();
    for (const node of this.nodes) traces.set(node, await traceOf(node, this.options).catch(() => []));
    const served = this.services?.converged(EVERYBODY, [...this.#pods.values()].flat(), timeout);
    await this.#each(async (node) => {
      for (const [peer, trace] of traces) {
        if (peer === node) continue;
        const wanted = entriesOf(trace);
        await programmedPeer(node, trace, (found) => found.length >= wanted, deadline - performance.now());
      }
    });
    await served?.catch(() => {});
  }
}

function podNames({ index }: LabNode): string[] {
  return POD_LETTERS.map((letter) => `pod${index}${letter}`);
}

/** Without br_netfilter flanneld insists on nf_tables. */
function netConfOfPeers({ flannel }: LabOptions): object {
  const hasBridgeFilter = existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables');
  return flannel.length === 0 || hasBridgeFilter ? {} : { EnableNFTables: true };
}
