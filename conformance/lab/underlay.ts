/**
 * What joins the nodes: a bridge in the holder's network namespace, and the outside host, which is the nodes' default
 * gateway and knows nothing of pods.
 */
import {
  controlAddress,
  families,
  gatewayAddress,
  type IpVersions,
  UNDERLAY,
  UNDERLAY_MTU,
  worldAddress,
} from './addresses.ts';
import type { LabOptions } from './options.ts';
import { Probe } from './probe/handle.ts';
import { run } from './run.ts';

/**
 * Makes the bridge. Multicast snooping is off: without a querier it loses neighbour solicitations. With servers, which run
 * in the holder's own namespaces, it has an address for them.
 */
export async function makeUnderlay({ store, ipv }: Pick<LabOptions, 'store' | 'ipv'>): Promise<void> {
  const addresses = families(ipv).map((family) => {
    const { address, prefix } = controlAddress(family);
    return `address add ${address}/${prefix} dev underlay${family === 6 ? ' nodad' : ''}\n`;
  });
  await run(['ip', '-batch', '-'], {
    input: `link set lo up
link add underlay mtu ${UNDERLAY_MTU} type bridge forward_delay 0 mcast_snooping 0
link set underlay up
${store === 'embedded' ? '' : addresses.join('')}`,
  });
}

/** Starts the outside host; its network namespace lives as long as its probe. */
export async function makeOutside(ipv: IpVersions): Promise<Probe> {
  const probe = await Probe.start('outside', ['unshare', '--net', '--uts', '--']);
  await run(['ip', '-batch', '-'], {
    input: `link add outside mtu ${UNDERLAY_MTU} type veth peer name eth0 mtu ${UNDERLAY_MTU} netns ${probe.pid}
link set outside master underlay up
`,
  });
  const addresses = families(ipv).flatMap((family) => {
    const gateway = gatewayAddress(family);
    const world = worldAddress(family);
    const nodad = family === 6 ? ' nodad' : '';
    return [
      `address add ${world.address}/${world.prefix} dev lo${nodad}`,
      `address add ${gateway.address}/${gateway.prefix} dev eth0 noprefixroute${nodad}`,
    ];
  });
  // Answers to datagrams come from the address that pods ask, not from that of the interface.
  const routes = families(ipv).map((family) => {
    return `route add ${UNDERLAY[family]} dev eth0 src ${worldAddress(family).address}`;
  });
  const enter = ['nsenter', `--target=${probe.pid}`, '--net', '--'];
  // A packet that was not masqueraded must arrive, to be seen: no reverse path filter, and a way for the check to fail.
  const settings = `cd /proc/sys/net
for f in ipv4/conf/*/rp_filter ipv6/conf/*/accept_dad; do echo 0 > $f; done`;
  await run([...enter, 'sh', '-c', settings]);
  await run([...enter, 'ip', '-batch', '-'], {
    input: `link set lo up\n${addresses.join('\n')}\nlink set eth0 up\n${routes.join('\n')}\n`,
  });
  return probe;
}
