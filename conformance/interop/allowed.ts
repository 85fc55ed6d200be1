/** In what a node of ours may differ from one of flanneld's, each with its reason. */
import type { Difference } from './node-state.ts';

interface Allowed {
  /** Name of the value, see `NodeState`. */
  readonly name: RegExp;
  readonly flannel: unknown;
  readonly ours: unknown;
  readonly why: string;
}

export const ALLOWED: readonly Allowed[] = [
  {
    name: /^route\/[46]\[.*\]\/protocol$/,
    flannel: 'boot',
    ours: '93',
    why: 'routes that are ours are known by their protocol, so that no other is ever removed',
  },
  {
    name: /^subnet\.env\[\d\]$/,
    flannel: 'FLANNEL_MTU=1450',
    ours: 'FLANNEL_MTU=1430',
    why: 'with IPv6 in use a full packet must fit below its outer headers, too, of 70 bytes; pods have one MTU',
  },
  {
    name: /^(link|address)\/flannel[-.a-z0-9]*\[.*\]\/txqlen$/,
    flannel: undefined,
    ours: 1000,
    why: "the kernel's default, where flannel's library says 0: the device has no queue (qdisc noqueue)",
  },
  {
    name: /^(link|address)\/flannel\.ipip\[.*\]\/linkinfo\/info_data\/proto$/,
    flannel: 'any',
    ours: 'ipip',
    why: 'the tunnel carries IPv4 and nothing else, where flannel lets MPLS in as well',
  },
  {
    name: /^sysctl\/ipv6\/conf\/flannel\.ipip\/accept_ra$/,
    flannel: 1,
    ours: 0,
    why: 'no router is to be believed on a tunnel; on its other devices flannel says so, too',
  },
  {
    name: /^address\/flannel-v6\.1\[.*\]\/nodad$/,
    flannel: undefined,
    ours: true,
    why: 'the address is used at once, and nobody else can have it',
  },
];

/** The differences that nothing allows. */
export function forbidden(differences: readonly Difference[]): Difference[] {
  return differences.filter(
    ({ name, flannel, ours }) =>
      !ALLOWED.some(
        (allowed) => allowed.name.test(name) && allowed.flannel === flannel && allowed.ours === ours,
      ),
  );
}
