/** What the modes are told besides services: of the configuration, the own Node and the ServiceCIDRs. Pure. */

import { type Cidr, contains, formatCidr } from '../../shared/ip/cidr.ts';
import { familyBits, formatIp, type Ip, parseIp } from '../../shared/ip/ip.ts';
import { localDetectorOf, nodePortAddressesOf, type ProxyOptions } from './config/options.ts';
import type { CheckAddress } from './health/service-checks.ts';
import type { ModeSettings } from './mode.ts';
import type { Family } from './model/endpoint.ts';
import type { NodeView } from './sources/source.ts';

const FAMILIES: readonly Family[] = [4, 6];
const NOTHING: Pick<NodeView, 'podCidrs' | 'addresses'> = { podCidrs: [], addresses: [] };
const EVERYWHERE: readonly CheckAddress[] = [{ address: '0.0.0.0' }];

export class NodeSettings {
  readonly #options: ProxyOptions;
  readonly #bindAddress: Cidr | undefined;
  #node: NodeView | undefined;
  #serviceCidrs: readonly Cidr[] | undefined;
  #nodeTold = false;
  #isNodeThere = false;
  #hasSeenNode = false;

  constructor(options: ProxyOptions) {
    this.#options = options;
    const ip = parseIp(options.configuration.bindAddress);
    if (ip && ip.value !== 0n) this.#bindAddress = { ip, prefix: familyBits(ip.family) };
    this.#node = this.#withBindAddress({ podCidrs: [], addresses: [], isEligible: true });
  }

  /** What the Node says, or said last: with its deletion its pods and load balancers do not go. */
  get node(): NodeView | undefined {
    return this.#node;
  }

  /** @param node `undefined`: there is none, or not any more */
  setNode(node: NodeView | undefined): void {
    this.#nodeTold = true;
    this.#isNodeThere = node !== undefined;
    if (!node) return;
    this.#hasSeenNode = true;
    this.#node = this.#withBindAddress(node) ?? node;
  }

  /** For people, where something is wrong. The embedded store can do without Nodes. */
  get nodeProblem(): string | undefined {
    const { node, datastore } = this.#options;
    if (this.#isNodeThere || !this.#nodeTold) return undefined;
    if (this.#hasSeenNode) return `the Node "${node}" was deleted: what it said last stays in force`;
    if (datastore.type === 'embedded') return undefined;
    return `there is no Node "${node}", so that no endpoint is on this node: if that is not its name, give --hostname-override`;
  }

  setServiceCidrs(networks: readonly Cidr[]): void {
    this.#serviceCidrs = networks;
  }

  /** Everything has been told that decides here. */
  get isTold(): boolean {
    return this.#nodeTold && this.#serviceCidrs !== undefined;
  }

  /** Without it nothing should be programmed: nothing would be local, and everything masqueraded. */
  get lacksPodNetworks(): boolean {
    return this.#options.configuration.detectLocalMode === 'NodeCIDR' && !this.#node?.podCidrs.length;
  }

  /** @param node what it said before a boot, while it is not known yet */
  of(family: Family, node: Pick<NodeView, 'podCidrs' | 'addresses'> = this.#node ?? NOTHING): ModeSettings {
    const { configuration, masqueradeAll, masqueradeBit } = this.#options;
    return {
      family,
      masqueradeBit,
      masqueradeAll,
      localDetector: localDetectorOf(configuration, family, node.podCidrs),
      nodePortAddresses: nodePortAddressesOf(
        this.#options,
        family,
        node.addresses.find(({ ip }) => ip.family === family),
      ),
      serviceCidrs: (this.#serviceCidrs ?? []).filter(({ ip }) => ip.family === family),
    };
  }

  /**
   * Where health checks of services are served: as node ports are, family by family; everywhere, where that would be nowhere.
   *
   * @param local asks for the node's own addresses
   */
  checkAddresses(local: () => readonly Ip[]): readonly CheckAddress[] {
    const served = FAMILIES.map((family) => ({ family, at: this.of(family).nodePortAddresses }));
    if (served.every(({ at }) => at === 'all')) return EVERYWHERE;
    const own = local();
    const addresses = served.flatMap(({ family, at }): CheckAddress[] =>
      at === 'all'
        ? [{ address: family === 4 ? '0.0.0.0' : '::', family }]
        : own
            .filter((ip) => at.some((network) => contains(network, ip)))
            .map((ip) => ({ address: formatIp(ip) })),
    );
    return addresses.length > 0 ? addresses : EVERYWHERE;
  }

  /** For people: what tells pods' traffic from other traffic. */
  get localTraffic(): string {
    const texts = FAMILIES.map((family) => {
      const { localDetector: detector } = this.of(family);
      switch (detector.by) {
        case 'nothing':
          return undefined;
        case 'source':
          return `sources in ${detector.networks.map(formatCidr).join(', ')}`;
        case 'bridge':
          return `what comes from bridge ${detector.name}`;
        case 'interface-prefix':
          return `what comes from interfaces ${detector.prefix}*`;
        default:
          return detector satisfies never;
      }
    });
    const told = [...new Set(texts.filter((text) => text !== undefined))];
    return told.join('; ') || 'nothing: name the cluster CIDR to have traffic from outside masqueraded';
  }

  /** For people: where node ports are served. */
  get nodePorts(): string {
    const texts = FAMILIES.map((family) => {
      const { nodePortAddresses } = this.of(family);
      return nodePortAddresses === 'all'
        ? `every IPv${family} address but the loopback`
        : nodePortAddresses.map(formatCidr).join(', ');
    });
    return texts.filter(Boolean).join(', ') || 'nowhere: the Node has no address';
  }

  /** `bindAddress` is kube-proxy's way to name another main address than the Node's. */
  #withBindAddress(node: NodeView): NodeView | undefined {
    const bind = this.#bindAddress;
    return bind && { ...node, addresses: [bind, ...node.addresses] };
  }
}
