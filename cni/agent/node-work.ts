/**
 * The parts of the agent's work, each of which compares what should be with what is: the loop calls them when they
 * are dirty. A part that lacks something (no lease yet, no way to other nodes) returns without being done; whoever
 * brings what it lacks marks it again.
 */

import type { NetConf } from '../../shared/config/net-conf.ts';
import type { Clock } from '../../shared/daemon/clock.ts';
import type { Cidr } from '../../shared/ip/cidr.ts';
import type { Logger } from '../../shared/log/logger.ts';
import type { NodeInfo, NodeLease } from '../../shared/store/registry.ts';
import type { Backend, Underlays } from './backends/backend.ts';
import { ForwardingSync } from './forwarding-sync.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { PeerView } from './leases/peer-set.ts';
import { type Interests, PARTS, type Part } from './loop/dirty.ts';
import type { Repairs } from './loop/repairs.ts';
import { type NetworkInput, NetworkSync, type SyncResult } from './network-sync.ts';
import type { AgentOptions } from './options.ts';
import { evidenceOf, type PeerEvidence, wireguardEvidence } from './peer-paths.ts';
import { ForwardGuard } from './rules/foreign/guard.ts';
import { FormerRules } from './rules/former-rules.ts';
import { IptablesRules } from './rules/iptables/iptables-rules.ts';
import { OwnRules } from './rules/own-rules.ts';
import type { PodNetwork } from './rules/own-table.ts';
import { chooseRuleBackend, type PodRules } from './rules/pod-rules.ts';
import { renderSubnetEnv } from './subnet-env.ts';
import { SubnetFile } from './subnet-file.ts';
import { UnderlayWatch } from './underlay-watch.ts';

export interface NodeWorkOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly log: Logger;
  readonly options: AgentOptions;
  readonly netConf: NetConf;
  readonly backend: Backend;
  readonly repairs: Repairs;
  /** Names of the devices that a former run had made or taken over. */
  readonly formerDevices: readonly string[];
  /** A former run had its rules in iptables. */
  readonly formerIptables: boolean;
  /** The node's lease; `undefined` while it has none. */
  readonly lease: () => NodeLease | undefined;
  /** The other nodes; `undefined` while nobody knows. */
  readonly peers: () => PeerView | undefined;
  /** True once the registry itself has listed them. */
  readonly peersComplete: () => boolean;
  /** Has parts looked at soon. */
  readonly mark: (...parts: readonly Part[]) => void;
  /** What the node publishes has changed. */
  readonly onUnderlay: () => void;
  readonly onSynced: (result: SyncResult) => void;
  /** Rules of a former run are gone. */
  readonly onFormerRulesGone: () => void;
  /** Every part is done for the first time. */
  readonly onReady: () => void;
}

export class NodeWork implements Disposable {
  /** What the loop calls. */
  readonly parts: Readonly<Record<Part, () => void | Promise<void>>>;
  readonly network: NetworkSync;
  readonly rules: PodRules;
  readonly guard: ForwardGuard;
  readonly subnetFile: SubnetFile;
  readonly formerRules: FormerRules;
  readonly #options: NodeWorkOptions;
  readonly #underlays: UnderlayWatch;
  readonly #forwarding: ForwardingSync;
  readonly #done = new Set<Part>();

  constructor(work: NodeWorkOptions) {
    const { kernel, clock, log, options, netConf, backend, repairs, formerDevices, mark } = work;
    const families = { v4: netConf.ipv4 !== undefined, v6: netConf.ipv6 !== undefined };
    this.#options = work;
    this.#underlays = new UnderlayWatch({ kernel, log, options: options.underlay, families });
    this.network = new NetworkSync({ kernel, clock, log, backend, repairs, options, formerDevices });
    this.rules = makeRules(work);
    this.guard = new ForwardGuard({
      kernel,
      log,
      allowRepair: (place) => repairs.allow('forward-accept', place),
      leave: () => this.rules.variant,
    });
    this.formerRules = new FormerRules({
      kernel,
      log,
      rules: this.rules,
      hadIptables: work.formerIptables,
      onRemoved: work.onFormerRulesGone,
    });
    this.#forwarding = new ForwardingSync({
      kernel,
      log,
      families,
      devices: backend.devices,
      allowRepair: (key) => repairs.allow('sysctl', key),
    });
    this.subnetFile = new SubnetFile(
      options.subnetFile,
      options.repair ? () => mark('subnet-file') : undefined,
    );
    this.parts = {
      underlay: () => this.#doUnderlay(),
      network: () => this.#doNetwork(),
      peers: () => this.#doPeers(),
      rules: () => this.#doRules(),
      forward: () => this.#doForward(),
      'former-rules': () => this.#doFormerRules(),
      sysctl: () => this.#doSysctl(),
      'subnet-file': () => this.#doSubnetFile(),
    };
  }

  get underlays(): Underlays {
    return this.#underlays.current;
  }

  /** Why the backend cannot work with the interfaces that are in use; `undefined`: it can. */
  get problem(): string | undefined {
    return this.#options.backend.problem?.(this.underlays);
  }

  /**
   * What shows that peers answer, by their public addresses, and what tunnels know of them, by their keys. A status is told
   * even where the kernel cannot be asked.
   */
  evidence(): ReadonlyMap<string, PeerEvidence> {
    const { v4, v6 } = this.underlays;
    const { kernel, log } = this.#options;
    // A VXLAN device's own neighbours are permanent: thousands of entries that tell nothing.
    const tunnels = this.network.devices.filter(({ kind }) => kind === 'wireguard');
    const names = new Set([v4, v6, ...tunnels].flatMap((link) => link?.name ?? []));
    try {
      const { neighbours, wireguard } = kernel.readNetwork([...names]);
      return new Map([...evidenceOf(neighbours), ...wireguardEvidence(wireguard)]);
    } catch (error) {
      log.debug('the kernel does not tell of peers', { error });
      return new Map();
    }
  }

  /** True once that part has been in order. */
  isDone(part: Part): boolean {
    return this.#done.has(part);
  }

  /** What the node publishes, keeping what it published before; `undefined` without a way to other nodes. */
  nodeInfo(before: NodeLease | undefined, instance: string): NodeInfo | undefined {
    // What does not work here must not be promised to others.
    if (!this.#underlays.complete || this.problem !== undefined) return undefined;
    const { options, kernel, backend } = this.#options;
    const { v4, v6 } = this.underlays;
    return {
      name: options.node,
      ...(v4 && { publicIp: v4.publicIp }),
      ...(v6 && { publicIpV6: v6.publicIp }),
      backend: backend.publish(before, kernel.readLinks()),
      instance,
    };
  }

  /** What the agent has in the kernel at the moment. */
  get interests(): Interests {
    const { options, backend } = this.#options;
    const { v4, v6 } = this.underlays;
    return {
      underlays: this.#underlays.settled ? [v4, v6].flatMap((underlay) => underlay?.index ?? []) : [],
      deviceNames: backend.devices,
      deviceIndexes: this.network.deviceIndexes,
      clusterNetworks: this.#clusterNetworks(),
      ownRule: (event) => this.rules.concerns(event),
      foreignRule: (event) => options.rules.forward && this.guard.concerns(event),
    };
  }

  #doUnderlay(): void {
    if (this.#underlays.look()) {
      this.#options.onUnderlay();
      this.#options.mark('network', 'sysctl', 'subnet-file');
    }
    if (this.problem !== undefined) throw new Error(this.problem);
    this.#finished('underlay');
  }

  #doNetwork(): void {
    const input = this.#networkInput();
    if (input) this.#synced(this.network.sync(input));
  }

  #doPeers(): void {
    // The first look at everything has its own retries.
    if (!this.isDone('network')) {
      this.#options.mark('network');
      return;
    }
    const input = this.#networkInput();
    if (input) this.#synced(this.network.syncPeers(input) ?? this.network.sync(input));
  }

  #networkInput(): NetworkInput | undefined {
    const lease = this.#options.lease();
    const peers = this.#options.peers();
    // Before the peers are known, those in the kernel must not be taken for stale.
    if (!lease || !peers || !this.#underlays.complete) return undefined;
    const complete = this.#options.peersComplete();
    return { lease, peers, version: peers.version, underlays: this.underlays, complete };
  }

  #synced(result: SyncResult): void {
    this.#options.onSynced(result);
    if (result.deviceTouched) {
      this.#forwarding.devicesChanged();
      // What the kernel does in consequence of our own change is not heard of.
      this.#options.mark('sysctl', 'network');
    }
    this.#finished('network');
    this.#finished('peers');
  }

  async #doRules(): Promise<void> {
    const lease = this.#options.lease();
    if (!lease) return;
    const { ipMasq, fullyRandom, forward } = this.#options.options.rules;
    await this.rules.sync({ networks: this.#podNetworks(lease), ipMasq, fullyRandom, forward });
    this.#finished('rules');
  }

  async #doForward(): Promise<void> {
    if (this.#options.options.rules.forward) await this.guard.check(this.#clusterNetworks());
    this.#finished('forward');
  }

  async #doFormerRules(): Promise<void> {
    if (!this.isDone('rules') || !this.isDone('forward')) return;
    try {
      await this.formerRules.remove();
    } finally {
      // No reason for pods to wait.
      this.#finished('former-rules');
    }
  }

  #doSysctl(): void {
    if (!this.#underlays.complete) return;
    this.#forwarding.sync(this.underlays);
    this.#finished('sysctl');
  }

  #doSubnetFile(): void {
    const { netConf, options, log, backend, repairs } = this.#options;
    const lease = this.#options.lease();
    // What CNI plugins read must be true: written when pods' packets can travel.
    if (!lease || !PARTS.every((part) => part === 'subnet-file' || this.isDone(part))) return;
    const content = renderSubnetEnv({
      ...(netConf.ipv4 && { network: netConf.ipv4.network }),
      ...(netConf.ipv6 && { networkV6: netConf.ipv6.network }),
      ...(lease.subnet && { subnet: lease.subnet }),
      ...(lease.subnetV6 && { subnetV6: lease.subnetV6 }),
      mtu: backend.podMtu(this.underlays),
      ipMasq: options.rules.ipMasq,
    });
    const isRepair = this.subnetFile.written === content;
    const mayWrite = (): boolean => !isRepair || repairs.allow('subnet-file', options.subnetFile);
    const written = this.subnetFile.ensure(content, mayWrite);
    if (written) log.info('subnet file written', { path: options.subnetFile });
    this.#finished('subnet-file');
  }

  #finished(part: Part): void {
    if (this.#done.has(part)) return;
    this.#done.add(part);
    // The subnet file waits for the others, the removal of former rules for the present ones.
    if (part === 'rules' || part === 'forward') this.#options.mark('former-rules');
    if (part !== 'subnet-file') this.#options.mark('subnet-file');
    if (PARTS.every((each) => this.#done.has(each))) this.#options.onReady();
  }

  #clusterNetworks(): Cidr[] {
    const { ipv4, ipv6 } = this.#options.netConf;
    return [ipv4, ipv6].flatMap((family) => family?.network ?? []);
  }

  #podNetworks(lease: NodeLease): PodNetwork[] {
    const { ipv4, ipv6 } = this.#options.netConf;
    return [
      ...(ipv4 && lease.subnet ? [{ cluster: ipv4.network, node: lease.subnet }] : []),
      ...(ipv6 && lease.subnetV6 ? [{ cluster: ipv6.network, node: lease.subnetV6 }] : []),
    ];
  }

  [Symbol.dispose](): void {
    this.subnetFile[Symbol.dispose]();
  }
}

function makeRules({ kernel, log, options, netConf, repairs }: NodeWorkOptions): PodRules {
  const { backend, why } = chooseRuleBackend(options.rules.backend, netConf);
  log.info('rules are kept', { in: backend, because: why });
  if (backend === 'iptables')
    return new IptablesRules({ kernel, log, allowRepair: (what) => repairs.allow('iptables', what) });
  return new OwnRules({
    nftables: kernel.nftables,
    log,
    allowRepair: () => repairs.allow('nftables', 'the own table'),
  });
}
