import { IFF } from '../../../shared/netlink/codec/link.ts';
import { Rtnetlink } from '../../../shared/netlink/rtnetlink.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import type { Interface, Result } from '../../protocol/result.ts';
import { checkFailed } from '../common/check-failed.ts';
import { checkAddresses, checkMac, checkRoutes } from '../common/check-interface.ts';
import { checkContainerEnd, checkHostEnd, recordedInside } from '../common/check-veth.ts';
import { ipamOf } from '../common/ipam.ts';
import type { LinkView } from '../common/link-view.ts';
import { readLink } from '../common/links.ts';
import { openPodNetns } from '../common/pod-netns.ts';
import type { BridgeConfig } from './config.ts';
import { hasVlans, readBridgeConfig } from './config.ts';

/** CHECK: IPAM agrees, and bridge, both ends, VLANs, rules, addresses and routes are as prevResult and keys say. */
export async function checkBridge(request: CheckRequest): Promise<void> {
  const { conf, env } = request;
  const config = readBridgeConfig(conf, env.args);
  const { prevResult } = conf;
  if (!prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  if (config.ipamType !== '') await (await ipamOf(config.ipamType)).check(request);
  const recorded = findRecorded(prevResult, config, request);
  using netns = openPodNetns(env.netns);
  using host = Rtnetlink.open();
  using pod = Rtnetlink.open({ netns });
  const bridge = checkBridgeLink(host, recorded.bridge, config);
  const inside = checkContainerEnd(pod.socket, recorded.container, config.disableContainerInterface);
  const port = checkHostLink(host, recorded.host, inside, bridge);
  if (hasVlans(config)) (await import('./check-vlans.ts')).checkVlans(host, bridge, port, config);
  if (config.macSpoofCheck) await checkSpoofRules(request, port);
  checkAddresses(pod, prevResult, inside);
  checkRoutes(pod, prevResult, env.ifname);
}

interface Recorded {
  readonly bridge: Interface;
  readonly container: Interface;
  /** Interfaces of the host besides the bridge; those of other plugins of the chain are among them. */
  readonly host: readonly Interface[];
}

function findRecorded(result: Result, { bridge }: BridgeConfig, request: CheckRequest): Recorded {
  const onHost = result.interfaces.filter(({ sandbox }) => !sandbox);
  const ofBridge = onHost.find(({ name }) => name === bridge);
  if (!ofBridge) throw checkFailed(`prevResult does not name the bridge ${bridge}`);
  const container = recordedInside(result, request);
  return { bridge: ofBridge, container, host: onHost.filter((one) => one !== ofBridge) };
}

function checkBridgeLink(host: Rtnetlink, recorded: Interface, config: BridgeConfig): LinkView {
  const link = readLink(host.socket, { name: recorded.name });
  if (!link) throw checkFailed(`the bridge ${recorded.name} is missing`);
  if (link.kind !== 'bridge') throw checkFailed(`${recorded.name} is no bridge`);
  // Without an address of ours the bridge's MAC is not held: it takes the lowest of its ports', and changes with them.
  if (config.isGateway && config.vlan === 0) checkMac(link, recorded, 'the bridge');
  if (config.promiscMode && (link.flags & IFF.PROMISC) === 0) {
    throw checkFailed(`the bridge ${recorded.name} is not in promiscuous mode`);
  }
  return link;
}

/** The other end of the container's veth is one that prevResult names, and a port of the bridge. */
function checkHostLink(
  host: Rtnetlink,
  recorded: readonly Interface[],
  inside: LinkView,
  bridge: LinkView,
): LinkView {
  const { link: other, recorded: entry } = checkHostEnd(host.socket, recorded, inside);
  if (other.master !== bridge.index)
    throw checkFailed(`${other.name} is no port of the bridge ${bridge.name}`);
  checkMac(other, entry, 'the host interface');
  return other;
}

async function checkSpoofRules({ conf, env }: CheckRequest, port: LinkView): Promise<void> {
  const { hasMacSpoofCheck } = await import('./spoof-check.ts');
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  if (hasMacSpoofCheck(key)) return;
  throw checkFailed(`the rules that check the source addresses of ${port.name} are missing`);
}
