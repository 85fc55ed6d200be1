/**
 * What the kernel can do, found out by doing it in a namespace that ends at once: no list of versions or configurations
 * tells what was built, and a module is loaded by the first use.
 *
 * A file that imports this one is also run in the VM (conformance/vm/selection.ts), where Debian's kernels have all of it.
 *
 *     const node = TestNode.enter();
 *     describe.skipIf(!node || !kernelHas('dummy', 'vlan'))('…', () => { … });
 */
import { spawnSync } from 'node:child_process';
import { Ipvs } from '../../shared/netlink/ipvs.ts';
import { SOCK } from '../../shared/sys/constants.ts';
import { openSocket } from '../../shared/sys/socket.ts';

/** socket(2)'s family and protocol: include/linux/socket.h, include/uapi/linux/in.h. */
const AF_INET = 2;
const IPPROTO_SCTP = 132;

/** Shell scripts, run by root of a fresh network namespace; each fails where the kernel cannot. */
const SCRIPTS = {
  bond: 'ip link add probe type bond',
  bridge: 'ip link add probe type bridge',
  dummy: 'ip link add probe type dummy',
  ifb: 'ip link add probe type ifb',
  tap: 'ip tuntap add probe mode tap',
  veth: 'ip link add probe type veth peer other',
  vrf: 'ip link add probe type vrf table 10',
  vxlan: 'ip link add probe type vxlan id 1 dstport 0',
  wireguard: 'ip link add probe type wireguard',
  ipip: 'ip link add probe type ipip local 192.0.2.1',
  // On top of another link.
  ipvlan: 'ip link add lower type veth peer other && ip link add probe link lower type ipvlan mode l2',
  macvlan: 'ip link add lower type veth peer other && ip link add probe link lower type macvlan mode bridge',
  vlan: 'ip link add lower type veth peer other && ip link add probe link lower type vlan id 5',
  // Without CONFIG_BRIDGE_VLAN_FILTERING the kernel takes the attribute and forgets it.
  'bridge-vlan-filtering':
    'ip link add probe type bridge vlan_filtering 1 && ip -d link show probe | grep -q "vlan_filtering 1"',
  'vlan-qinq':
    'ip link add lower type veth peer other && ip link add probe link lower type vlan protocol 802.1ad id 5',
  'policy-routing': 'ip rule add from 10.0.0.1 table 100',
  // Queueing.
  tbf: 'tc qdisc add dev lo root tbf rate 1mbit burst 10k latency 25ms',
  htb: 'tc qdisc add dev lo root handle 1: htb',
  ingress: 'tc qdisc add dev lo ingress',
  mirred:
    'tc qdisc add dev lo ingress && tc filter add dev lo parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev lo',
  matchall:
    'tc qdisc add dev lo ingress && tc filter add dev lo parent ffff: protocol all matchall action mirred egress redirect dev lo',
  // Packet filter.
  nftables: 'nft add table inet probe',
  'nft-bridge':
    'nft add table bridge probe && nft "add chain bridge probe c { type filter hook prerouting priority -300; }"',
  'nft-netdev':
    'nft add table netdev probe && nft "add chain netdev probe c { type filter hook ingress device lo priority 0; }"',
  'nft-fib': 'nft "add table inet probe; add chain inet probe c; add rule inet probe c fib daddr type local"',
  conntrack: 'nft "add table inet probe; add chain inet probe c; add rule inet probe c ct state new"',
  'iptables-legacy': 'iptables-legacy -w -t nat -L',
  'iptables-nft': 'iptables-nft -w -t nat -A POSTROUTING -m comment --comment probe -j MASQUERADE',
  // Bridged packets pass iptables; a namespace has the switch where the module is there (modprobe is refused in some).
  'br-netfilter':
    'modprobe br_netfilter 2>/dev/null; ip link add probe type bridge; test -e /proc/sys/net/bridge/bridge-nf-call-iptables',
} as const;

/** What a test may need: kinds of links, qdiscs, parts of the packet filter, protocols. */
export type KernelFeature = keyof typeof SCRIPTS | 'sctp' | 'ipvs';

/** All of them, for the test that Debian's kernels have them. */
export const KERNEL_FEATURES: readonly KernelFeature[] = [
  ...(Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[]),
  'sctp',
  'ipvs',
];

const known = new Map<KernelFeature, string | undefined>();

/** Whether the kernel has all of these. Where it has not, what it lacks is printed, once a feature and test file. */
export function kernelHas(...features: readonly KernelFeature[]): boolean {
  let complete = true;
  for (const feature of features) {
    const isNew = !known.has(feature);
    const problem = isNew ? probe(feature) : known.get(feature);
    known.set(feature, problem);
    if (problem === undefined) continue;
    complete = false;
    if (isNew)
      process.stderr.write(`skipped: this kernel lacks ${feature} (${problem}); make test-vm has it\n`);
  }
  return complete;
}

/** Why the kernel does not have it, `undefined` if it does. */
function probe(feature: KernelFeature): string | undefined {
  if (feature === 'sctp') return probeSctp();
  if (feature === 'ipvs') return probeIpvs();
  const { error, status, stderr } = spawnSync('unshare', ['--net', '/bin/sh', '-c', SCRIPTS[feature]], {
    encoding: 'utf8',
  });
  if (error) return error.message;
  return status === 0 ? undefined : stderr.trim().split('\n').at(-1) || `exit code ${status}`;
}

function probeSctp(): string | undefined {
  try {
    openSocket(AF_INET, SOCK.STREAM, IPPROTO_SCTP)[Symbol.dispose]();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The kernel does not load it by itself. */
function probeIpvs(): string | undefined {
  spawnSync('modprobe', ['ip_vs']);
  using kernel = Ipvs.open();
  return kernel.isThere ? undefined : 'there is no netlink family IPVS';
}
