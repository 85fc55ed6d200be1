/** flannel's subnet.env, the file from which CNI plugins learn the node's subnet. Pure. */

import { type Cidr, formatCidr, networkOf, nthIp, parseCidr } from '../../shared/ip/cidr.ts';

export interface SubnetEnv {
  readonly network?: Cidr;
  /** The node's subnet; its host bits do not matter. */
  readonly subnet?: Cidr;
  readonly networkV6?: Cidr;
  readonly subnetV6?: Cidr;
  /** Of the pods' interfaces, in bytes. */
  readonly mtu: number;
  /** Whether the agent masquerades; a CNI plugin then must not. */
  readonly ipMasq: boolean;
}

/** The file's text. FLANNEL_SUBNET is the first usable address with the subnet's length, as flanneld writes it. */
export function renderSubnetEnv(env: SubnetEnv): string {
  const lines: string[] = [];
  if (env.network && env.subnet) {
    lines.push(`FLANNEL_NETWORK=${formatCidr(env.network)}`, `FLANNEL_SUBNET=${firstUsable(env.subnet)}`);
  }
  if (env.networkV6 && env.subnetV6) {
    lines.push(
      `FLANNEL_IPV6_NETWORK=${formatCidr(env.networkV6)}`,
      `FLANNEL_IPV6_SUBNET=${firstUsable(env.subnetV6)}`,
    );
  }
  lines.push(`FLANNEL_MTU=${env.mtu}`, `FLANNEL_IPMASQ=${env.ipMasq}`);
  return `${lines.join('\n')}\n`;
}

/** The subnets that a former run, or flanneld, wrote, as network addresses; what cannot be read is left out. */
export function parseSubnets(text: string): { readonly subnet?: Cidr; readonly subnetV6?: Cidr } {
  const value = (key: string): Cidr | undefined => {
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${key}=`));
    const cidr = line === undefined ? undefined : parseCidr(line.slice(key.length + 1).trim());
    return cidr && networkOf(cidr);
  };
  const subnet = value('FLANNEL_SUBNET');
  const subnetV6 = value('FLANNEL_IPV6_SUBNET');
  return { ...(subnet?.ip.family === 4 && { subnet }), ...(subnetV6?.ip.family === 6 && { subnetV6 }) };
}

function firstUsable(subnet: Cidr): string {
  return formatCidr({ ip: nthIp(subnet, 1n), prefix: subnet.prefix });
}
