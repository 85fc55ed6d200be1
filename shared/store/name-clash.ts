import { formatIp, ipEquals } from '../ip/ip.ts';
import type { KubeObject } from './kube-object.ts';
import { holderOf, toNodeInfo } from './node-object.ts';
import type { NodeInfo } from './registry.ts';

/**
 * Why `info` must not take over the live registration of its name, or `undefined` if it may. Pure.
 *
 * Two machines of one name would share a subnet and break each other's pods. Another instance id alone is a node that
 * was installed anew; other addresses alone are a node that moved; both together are another machine.
 */
export function describeClash(info: NodeInfo, node: KubeObject, lease: KubeObject): string | undefined {
  const holder = holderOf(lease);
  if (info.instance === undefined || holder === info.instance || holder === info.name) return undefined;
  const other = toNodeInfo(node);
  const same = [
    [info.publicIp, other.publicIp],
    [info.publicIpV6, other.publicIpV6],
  ].some(([a, b]) => a !== undefined && b !== undefined && ipEquals(a, b));
  if (same) return undefined;
  const address = other.publicIp ?? other.publicIpV6;
  const at = address === undefined ? '' : ` at ${formatIp(address)}`;
  return (
    `the node name ${info.name} is in use by another machine${at}: give this one a name of its own by NODE_NAME, ` +
    `or, if that machine is gone, run 'underpod delete node/${info.name}'`
  );
}
