/** What an agent leaves on its node, read with ip(8), bridge(8) and cat(1): for a comparison, field by field. */
import type { LabUnderTest } from '../lab/lab-under-test.ts';

/** One JSON value after another, each after a line with its name. */
const SCRIPT = `
one() { echo "== $1"; shift; "$@"; }
for device in flannel.1 flannel-v6.1 flannel-wg flannel-wg-v6 flannel.ipip; do
  ip link show $device >/dev/null 2>&1 || continue
  one link/$device ip -j -d link show $device
  one address/$device ip -j -d address show $device
  one fdb/$device bridge -j fdb show dev $device
  one neighbour/$device ip -j neighbour show dev $device nud permanent
  one neighbour6/$device ip -j -6 neighbour show dev $device nud permanent
  for key in ipv4/conf/$device/rp_filter ipv4/conf/$device/forwarding ipv6/conf/$device/accept_ra \\
    ipv6/conf/$device/forwarding ipv6/conf/$device/disable_ipv6; do
    [ ! -e /proc/sys/net/$key ] || one sysctl/$key cat /proc/sys/net/$key
  done
done
one route/4 ip -j -d -4 route show table main
one route/6 ip -j -d -6 route show table main
one rule/4 ip -j -4 rule
one rule/6 ip -j -6 rule
one sysctl/ipv4/ip_forward cat /proc/sys/net/ipv4/ip_forward
one sysctl/ipv6/conf/all/forwarding cat /proc/sys/net/ipv6/conf/all/forwarding
echo "== text/subnet.env"; cat /run/flannel/subnet.env
echo "== text/subnet.env:mode"; stat -c '%a %U %G' /run/flannel/subnet.env
`;

/** `link/flannel.1/mtu` and so on, each with its value. */
export type NodeState = ReadonlyMap<string, unknown>;

/** Numbers that the kernel gives to devices as they come, and what changes by itself. */
const CHANGING = new Set([
  'ifindex',
  'link_index',
  'valid_life_time',
  'preferred_life_time',
  'used',
  'updated',
  'confirmed',
  'tentative',
]);

export async function nodeState(lab: LabUnderTest, node: number): Promise<NodeState> {
  const shell = lab.spawn('shell', String(node), '--', 'sh', '-c', SCRIPT);
  const [out, err, code] = await Promise.all([shell.stdout.text(), shell.stderr.text(), shell.exited]);
  if (code !== 0) throw new Error(`node${node} cannot be read: ${err}`);
  const state = new Map<string, unknown>();
  for (const part of out.split(/^== /m).slice(1)) {
    const end = part.indexOf('\n');
    const [name, text] = [part.slice(0, end), part.slice(end + 1)];
    // Line by line, the last one's end included: equal lists are equal bytes.
    if (name.startsWith('text/')) flatten(name.slice('text/'.length), text.split('\n'), state);
    else flatten(name, text.trim() === '' ? [] : JSON.parse(text), state);
  }
  return state;
}

/** One entry for each value in it. Entries of a list are named by what they are about. */
function flatten(name: string, value: unknown, into: Map<string, unknown>): void {
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) flatten(`${name}[${nameOf(entry, index)}]`, entry, into);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value))
      if (!CHANGING.has(key)) flatten(`${name}/${key}`, inner, into);
  } else {
    into.set(name, value);
  }
}

/** A route by its destination, a neighbour by its address, an FDB entry by its MAC; flags and others by their place. */
function nameOf(entry: unknown, index: number): string {
  if (typeof entry !== 'object' || entry === null) return String(index);
  const { dst, mac, local, ifname, priority } = entry as Record<string, unknown>;
  return String(mac ?? dst ?? local ?? ifname ?? priority ?? index);
}

/** The state under other names for what differs from one boot to the next: the node's own MACs, and addresses made of them. */
export function withoutMacs(state: NodeState): NodeState {
  const macs = ['flannel.1', 'flannel-v6.1'].flatMap((device) => {
    const mac = state.get(`link/${device}[${device}]/address`);
    return typeof mac === 'string' ? [[mac, `<MAC of ${device}>`] as const] : [];
  });
  const hidden = (text: string): string =>
    macs
      .reduce((rest, [mac, token]) => rest.replaceAll(mac, token), text)
      .replaceAll(/fe80::[0-9a-f:]+/g, '<link-local>');
  return new Map(
    [...state].map(([name, value]) => [hidden(name), typeof value === 'string' ? hidden(value) : value]),
  );
}

/** A difference: the name, and the value on either side (undefined: not there). */
export interface Difference {
  readonly name: string;
  readonly flannel: unknown;
  readonly ours: unknown;
}

/** Where two states differ, in the order of the names. */
export function differences(flannel: NodeState, ours: NodeState): Difference[] {
  const names = [...new Set([...flannel.keys(), ...ours.keys()])].sort();
  return names
    .map((name) => ({ name, flannel: flannel.get(name), ours: ours.get(name) }))
    .filter((one) => one.flannel !== one.ours);
}
