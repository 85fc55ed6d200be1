import { formatMac } from '../../../shared/ip/mac.ts';
import { NETLINK } from '../../../shared/netlink/codec/message.ts';
import { NetlinkSocket } from '../../../shared/netlink/socket.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Interface, Result } from '../../protocol/result.ts';
import type { VethAddition } from '../common/add-veth.ts';
import { allocate, allocateThrough, masquerade, peerOf } from '../common/add-veth.ts';
import { attachingIpamOf } from '../common/attaching-ipam.ts';
import { attachmentMac, hostVethName } from '../common/attachment.ts';
import type { AddOptions } from '../common/delegate.ts';
import { enableForwarding } from '../common/forwarding.ts';
import { chooseHostVethName, createVethPair } from '../common/host-veth.ts';
import { awaitCarrier } from '../common/kernel-events.ts';
import type { LinkView } from '../common/link-view.ts';
import { deleteLink, readLinks } from '../common/links.ts';
import { watchNeighbourTables } from '../common/neighbour-table.ts';
import { setPodInterface, setPodInterfaceUp } from '../common/pod-interface.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import { Rollback } from '../common/rollback.ts';
import type { BridgeConfig } from './config.ts';
import { hasVlans, readBridgeConfig } from './config.ts';
import { ensureBridge, ensureBridgeAddresses } from './ensure-bridge.ts';
import type { AddressPlan } from './gateways.ts';
import { planAddresses } from './gateways.ts';
import type { BridgeVlans } from './vlan.ts';

/** One ADD's things at hand. */
interface Addition extends VethAddition {
  readonly config: BridgeConfig;
}

const noAddresses: AddressPlan = { ips: [], routes: [], gateways: [] };

/**
 * ADD. What is shared by all pods (the bridge, its addresses, forwarding) stays when it fails; all else is undone.
 * Every step that can be refused for the caller's fault comes before the first that changes anything.
 */
export async function addBridge(request: AddRequest, { collect }: AddOptions = {}): Promise<Result> {
  const { conf, env } = request;
  const config = readBridgeConfig(conf, env.args);
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  using netns = openPodNetns(env.netns);
  using host = NetlinkSocket.open(NETLINK.ROUTE);
  const rollback = new Rollback();
  const addition: Addition = { request, config, key, netns, host, rollback, collect };
  try {
    return await build(addition);
  } catch (error) {
    return await rollback.fail(error);
  }
}

async function build(addition: Addition): Promise<Result> {
  const { config, host, key, netns, rollback } = addition;
  const [namesake, present] = readLinks(host, { name: hostVethName(key) }, { name: config.bridge });
  const name = chooseHostVethName(host, key, namesake);
  const bridge = ensureBridge(host, config, present);
  const vlans = hasVlans(config) ? await openVlans(addition, bridge) : undefined;
  const plugin = config.ipamType === '' ? undefined : await attachingIpamOf(config.ipamType);
  const early = plugin && !plugin.usesInterface ? await allocate(addition, plugin) : undefined;
  const port = {
    bridge: bridge.index,
    options: { hairpin: config.hairpinMode, isolated: config.portIsolation },
  };
  const { mtu, mac = attachmentMac(key, 'pod') } = config;
  const veth = createVethPair(host, { key, name, netns, mtu, mac, port });
  rollback.defer(() => deleteLink(host, veth));
  vlans?.setPodPort(veth);
  // Before the container's end is up, so that it never sends unchecked.
  if (config.macSpoofCheck) await checkSource(addition, veth, mac);
  const ipam = plugin?.usesInterface ? await allocateThrough(addition, plugin, veth) : early;
  const plan = ipam === undefined ? noAddresses : planAddresses(ipam, config);
  configurePod(addition, plan, veth);
  const gateway = await makeGateway(addition, plan, bridge, vlans);
  if (config.ipMasq && plan.ips.length > 0) await masquerade(addition, plan.ips);
  await watchNeighbourTables(plan.ips);
  return {
    interfaces: finish(addition, veth, mac, gateway),
    ips: plan.ips,
    routes: plan.routes,
    dns: config.dns ?? ipam?.dns ?? {},
  };
}

function configurePod({ config, key, netns }: Addition, plan: AddressPlan, veth: LinkView): void {
  if (config.disableContainerInterface) return;
  const index = peerOf(veth);
  const { ips, routes } = plan;
  if (config.ipamType === '') setPodInterfaceUp(netns, index);
  else setPodInterface(netns, { ifname: key.ifname, index, ips, routes, enableDad: config.enableDad });
}

async function openVlans({ config, host }: Addition, bridge: LinkView): Promise<BridgeVlans> {
  const { BridgeVlans } = await import('./vlan.ts');
  return new BridgeVlans(host, config, bridge);
}

async function checkSource({ key, rollback }: Addition, veth: LinkView, mac: Uint8Array): Promise<void> {
  const { addMacSpoofCheck, removeMacSpoofCheck } = await import('./spoof-check.ts');
  rollback.defer(() => removeMacSpoofCheck(key));
  addMacSpoofCheck(key, veth.name, mac);
}

/** Returns the interface that has the gateways' addresses where that is not the bridge. */
async function makeGateway(
  { config, host }: Addition,
  plan: AddressPlan,
  bridge: LinkView,
  vlans: BridgeVlans | undefined,
): Promise<LinkView | undefined> {
  if (plan.gateways.length === 0) return undefined;
  const inVlan = config.vlan === 0 ? undefined : vlans?.ensureGateway();
  await ensureBridgeAddresses(host, inVlan ?? bridge, plan, config);
  let done: 4 | 6 | undefined;
  for (const { ip } of plan.gateways) {
    if (ip.family !== done) await enableForwarding(ip.family);
    done = ip.family;
  }
  return inVlan;
}

/**
 * Bridge, host's end, container's end, and in a VLAN the gateway's interface: the order that `ips` and other plugins rely
 * on. The first two are read again: the first port or address may have given the bridge another MAC, and the port must
 * carry packets by now.
 */
function finish(
  addition: Addition,
  veth: LinkView,
  podMac: Uint8Array,
  gateway: LinkView | undefined,
): readonly Interface[] {
  const { config, host, request } = addition;
  const [port = veth, bridge] = readLinks(host, { index: veth.index }, { name: config.bridge });
  if (!config.disableContainerInterface) awaitCarrier(host, port);
  const { ifname, netns: sandbox } = request.env;
  const interfaces: Interface[] = [
    { name: config.bridge, ...macOf(bridge) },
    { name: veth.name, ...macOf(port) },
    { name: ifname, mac: formatMac(podMac), sandbox },
  ];
  if (gateway) interfaces.push({ name: gateway.name, ...macOf(gateway) });
  return interfaces;
}

function macOf(link: LinkView | undefined): { readonly mac?: string } {
  return link?.mac === undefined ? {} : { mac: formatMac(link.mac) };
}
