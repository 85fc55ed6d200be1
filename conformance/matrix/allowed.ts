/** Where our answers differ from upstream's on purpose. Pure. */

import type { Difference } from './compare.ts';

/** A difference that may, and must, be there. */
export interface Allowed {
  /** Types; all unless given. */
  readonly types?: readonly string[];
  /** Of the case's name; any unless given. */
  readonly name?: RegExp;
  readonly version?: RegExp;
  /** Of step and field. */
  readonly path: RegExp;
  /** Both values, `ours | theirs`; any unless given. */
  readonly values?: RegExp;
  /** The section of the specification, or what upstream does, that makes it right. */
  readonly reason: string;
}

export const allowed: readonly Allowed[] = [
  {
    path: /^VERSION\.result\.supportedVersions/,
    reason:
      'Section 2, VERSION: a plugin lists what it can do; ours take every version, upstream’s begin at 0.3.0, 0.3.1 or 0.4.0',
  },
  {
    path: /^(ADD|CHECK|STATUS|DEL|second DEL)\.error$/,
    values: /^[4-7] \| (999|100)$/,
    reason:
      'Section 5 gives bad environments 4, I/O 5, undecodable content 6 and bad configurations 7; upstream’s library says 999 of any error that a plugin returns without a code',
  },
  {
    name: /^error: /,
    path: /^(second )?DEL\.(exit|error)$/,
    values: /^(0|-) \| /,
    reason:
      'Section 2, DEL: it should succeed where nothing is to be undone, and such a configuration never made anything; upstream refuses to parse it',
  },
  {
    name: /^error: /,
    path: /^STATUS\.(exit|error)$/,
    values: /^(1|5|6|7|50) \| (0|-|999|1)$/,
    reason:
      'Section 2, STATUS: it fails if the plugin cannot serve ADD; upstream’s does not look at the plugin’s own keys, or does nothing',
  },
  {
    types: ['bridge'],
    name: /^without addresses$/,
    path: /^CHECK( after GC)?\.(exit|error)$/,
    reason:
      'Section 2, CHECK: it fails if something is missing; upstream’s bridge fails for its own network without IPAM',
  },
  {
    types: ['bridge'],
    name: /^error: no such IPAM plugin$/,
    path: /^(pod|host)\.links\./,
    values: /^- \| /,
    reason:
      'Section 2, ADD: a failed one is followed by DEL, but not surely; upstream’s leaves its veth pair until then',
  },
  {
    types: ['bridge', 'dummy', 'host-device', 'ipvlan', 'macvlan', 'ptp', 'tap', 'vlan'],
    name: /^error: /,
    path: /networks\/net\/lock$/,
    values: /^- \| /,
    reason:
      'upstream’s calls IPAM’s DEL for an attachment that never was, which makes the network’s directory',
  },
  {
    types: ['vlan'],
    name: /^error: MTU above/,
    path: /networks\/net\/lock$/,
    values: /^"" \| -$/,
    reason:
      'Section 2, DEL: it gives back what ADD took, whatever has become of the master since; upstream’s refuses to, and leaves the address',
  },
  {
    types: ['flannel', 'host-local'],
    name: /^error: (none free|no subnet.env)$/,
    path: /^ADD\.error$/,
    values: /^11 \| 999$/,
    reason:
      'Section 5: 11 is for what may go another time; upstream’s library says 999 of any error without a code',
  },
  {
    types: ['dhcp'],
    name: /^error: (no daemon|bad option)$/,
    path: /^(ADD|DEL|second DEL)\.error$/,
    values: /^11 \| 999$/,
    reason:
      'Section 5: 11 is for what may go another time, here once the daemon runs; upstream’s library says 999 of any error without a code',
  },
  {
    types: ['host-device'],
    path: /^second DEL\.(exit|error)$/,
    values: /^(0|-) \| (1|999)$/,
    reason:
      'Section 2, DEL: it can be repeated, and succeeds without what it looks for; upstream’s host-device misses the device that the first gave back',
  },
  {
    types: ['tap'],
    name: /^owned, several queues$/,
    path: /^pod( after GC)?\.links\.eth0\.mtu$/,
    values: /^1400 \| 1500$/,
    reason: 'upstream documents "mtu", and with an owner and a group forgets it (so it does the MAC address)',
  },
  {
    types: ['tap'],
    name: /^error: the bridge is the host’s$/,
    path: /^pod\.links\./,
    values: /^- \| /,
    reason:
      'Section 2, ADD: a failed one is followed by DEL, but not surely; upstream’s leaves its device until then',
  },
  {
    types: ['loopback'],
    name: /^alone$/,
    version: /^0\.[34]/,
    path: /^ADD\.result\.ips\.\d\.version$/,
    reason: 'Specification 0.4.0, "IPs": version is required, "4" or "6"; upstream’s loopback leaves it out',
  },
  {
    types: ['firewall'],
    name: /^iptables, isolated$/,
    path: /^host\.links\.VETH\.port\.isolated$/,
    values: /^true \| false$/,
    reason:
      'upstream’s rules keep pods of one bridge apart only where bridged packets pass iptables (br_netfilter); ours isolates the port as well',
  },
  {
    types: ['ipvlan'],
    name: /^error: no master, no default route$/,
    path: /^host after DEL\.files\.\/var\/lib\/cni\/networks\/net\/lock$/,
    values: /^"" \| -$/,
    reason:
      'Section 2, DEL: ours gives back addresses although the configuration is in error; upstream’s refuses it',
  },
  {
    types: ['firewall'],
    name: /^error: unknown backend$/,
    path: /^(STATUS|ADD|CHECK|GC|DEL|host|pod)/,
    reason:
      'upstream documents "iptables" and "firewalld" and takes any other word for the former; ours asks what is meant, before anything is done',
  },
  {
    types: ['firewall'],
    name: /^error: unknown policy$/,
    path: /^host( after DEL)?\.rules\./,
    values: /^- \| /,
    reason: 'upstream’s writes rules before it reads the policy, and leaves them',
  },
  {
    types: ['portmap'],
    name: /all masqueraded$/,
    path: /^host\.rules\.table ip6? cni_hostport chain masquerading: /,
    reason:
      'upstream’s documentation of masqAll: "all"; v1.9.1 forgets the key with nftables, later versions do as ours',
  },
  {
    types: ['portmap'],
    name: /^error: /,
    path: /^host( after DEL)?\.rules\./,
    values: /^- \| /,
    reason: 'upstream’s writes chains before it looks at the mappings, and leaves them',
  },
  {
    types: ['tuning'],
    name: /^error: (bad MAC address|an MTU that the kernel refuses)$/,
    path: /^host\.files\.\/run\/cni\/tuning\//,
    values: /^- \| /,
    reason:
      'Section 2, ADD: a failed one is followed by DEL, but not surely; upstream’s leaves its file until then',
  },
  {
    types: ['tuning'],
    name: /^error: an MTU that the kernel refuses$/,
    path: /^pod\.links\.eth0\.mac$/,
    reason: 'upstream’s leaves the interface half changed until DEL; ours gives it back what it had',
  },
  {
    types: ['tuning'],
    name: /^parameters of args alone$/,
    path: /^(pod|ADD|CHECK|GC|DEL|second DEL)/,
    reason:
      'upstream documents args.cni.sysctl; its ADD and DEL crash (assignment to a nil map) where the configuration itself has no sysctl',
  },
  {
    types: ['sbr'],
    path: /^pod( after (GC|DEL))?\.routes\.\S*:\S* via - dev eth0 table 100 /,
    values: /^- \| /,
    reason:
      'upstream’s copies routes of both families to each table, where only a rule of one leads to; table 100 is the IPv4 address’s',
  },
  {
    types: ['sbr'],
    name: /^(gateways of its own|source hints)$/,
    path: /^pod( after (GC|DEL))?\.routes\./,
    reason:
      'upstream’s documents "gateways" and "addSourceHints" since its v1.9.1, which does not know them yet',
  },
  {
    types: ['flannel'],
    path: /^VERSION\.result\.cniVersion$/,
    reason: 'upstream’s last is of 0.4.0, the library’s present version is named',
  },
  {
    types: ['flannel'],
    path: /^(STATUS|GC)\.error$/,
    values: /^1 \| 3$/,
    reason: 'upstream’s last is older than STATUS and GC, and finds the variable CNI_COMMAND wrong',
  },
];

/** True if an entry is about differences of a case. */
export function concerns(entry: Allowed, { type, name }: Pick<Difference, 'type' | 'name'>): boolean {
  return (entry.types?.includes(type) ?? true) && (entry.name?.test(name) ?? true);
}

/** True if an entry is about a difference. */
export function covers(entry: Allowed, difference: Difference): boolean {
  const { version, path, ours, theirs } = difference;
  return (
    concerns(entry, difference) &&
    (entry.version?.test(version) ?? true) &&
    entry.path.test(path) &&
    (entry.values?.test(`${ours} | ${theirs}`) ?? true)
  );
}
