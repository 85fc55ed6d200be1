/**
 * Kills of a node's very first ADD, the one that makes the bridge: the next pod's ADD must then bring the node to the
 * state in which a first ADD that nobody killed leaves it, and after the clean-up nothing more is there than on such
 * a node.
 */

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { mount } from '../../shared/sys/mount.ts';
import { readSysctl, writeSysctl } from '../../shared/sys/sysctl.ts';
import { leaked, missing, snapshot } from '../cni/leaks.ts';
import type { Container } from '../cni/world.ts';
import { ipJson, run } from '../testing/netns.ts';
import { Calls, type Point, type PointsPlan, type PointsResult } from './points.ts';

/** A sysfs of the present network namespace, mounted on first use: the one at /sys shows the host's. */
const sysfs = '/run/sys';

function addressAssignType(link: string): string {
  if (!existsSync(`${sysfs}/class`)) {
    mkdirSync(sysfs, { recursive: true });
    mount('sysfs', sysfs, 'sysfs', 0);
  }
  return readFileSync(`${sysfs}/class/net/${link}/addr_assign_type`, 'utf8').trim();
}

/** Switches of the whole node that an ADD may turn. */
const forwarding: readonly string[] = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding'];

/** Makes the node as it was before any ADD. */
function forgetAll(bridge: string): void {
  if (ipJson<{ ifname: string }[]>('link').some(({ ifname }) => ifname === bridge))
    run('ip', 'link', 'delete', bridge);
  run('nft', 'flush', 'ruleset');
  for (const key of forwarding) writeSysctl(key, '0');
  for (const directory of ['/run/underpod', '/run/cni']) rmSync(directory, { recursive: true, force: true });
  for (const name of ['networks', 'flannel'])
    rmSync(`/var/lib/cni/${name}`, { recursive: true, force: true });
}

interface Bridge {
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly promiscuity: number;
  readonly linkinfo: { readonly info_data: Readonly<Record<string, unknown>> };
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** What of a bridge must be the same on every node, one line each. */
export function bridgeState(name: string): string[] {
  const [link] = ipJson<Bridge[]>('address', 'show', 'dev', name);
  const { flags = [], mtu, promiscuity, linkinfo, addr_info = [] } = link ?? {};
  const options = Object.entries(linkinfo?.info_data ?? {}).filter(
    // Identifiers, which hold the MAC address, and timers differ.
    ([key]) => !/_id$|_timer$|^(root|bridge|gc|hello|tcn|topology)/.test(key),
  );
  const conf = ['ipv4', 'ipv6'].flatMap((family) =>
    ['forwarding', 'accept_ra', 'rp_filter'].map((key) => `net/${family}/conf/${name}/${key}`),
  );
  return [
    `flags ${[...flags].sort().join(' ')}`,
    `mtu ${mtu} promiscuity ${promiscuity}`,
    // include/uapi/linux/netdevice.h: 3 is NET_ADDR_SET, an address that stays when ports come and go.
    `addr_assign_type ${addressAssignType(name)}`,
    ...addr_info
      .filter(({ local }) => !local.startsWith('fe80:'))
      .map(({ local, prefixlen, scope }) => `address ${local}/${prefixlen} ${scope}`)
      .sort(),
    ...options.map(([key, value]) => `${key} ${JSON.stringify(value)}`).sort(),
    ...[...forwarding, ...conf].map((key) => `${key} ${readSysctl(key)}`),
  ];
}

/** The node's state after a first ADD, and after its DEL. */
interface Node {
  readonly bridge: readonly string[];
  readonly rest: readonly string[];
}

/** As `runPoints`, for the first ADD of a node with the given bridge; `command` is ADD. */
export function runFirstAdd(plan: PointsPlan & { readonly bridge: string }): PointsResult {
  const { world, bridge, cleanUp } = plan;
  const calls = new Calls(plan.program, plan.config);
  const leaks: string[] = [];
  const tally = new Map<string, number>();
  const first = (container: Container, cleanUpBefore: () => void): Node => {
    calls.expect(calls.call('ADD', container), 'a good ADD');
    const state = bridgeState(bridge);
    cleanUpBefore();
    calls.expect(calls.call('DEL', container), 'its DEL');
    world.remove(container);
    return { bridge: state, rest: snapshot() };
  };

  forgetAll(bridge);
  const recording = world.container('record');
  const points = calls.record(calls.call('ADD', recording));
  calls.expect(calls.call('DEL', recording), 'DEL after the recording');
  world.remove(recording);

  forgetAll(bridge);
  const untouched = first(world.container('good'), () => {});
  const chosen = plan.choose?.(points) ?? points;
  const survived: Point[] = [];
  for (const point of chosen) {
    const when = `first ADD killed at ${point.call} ${point.n}`;
    forgetAll(bridge);
    const killed = world.container('killed');
    if (calls.kill(calls.call('ADD', killed), point)) tally.set(point.call, (tally.get(point.call) ?? 0) + 1);
    else survived.push(point);
    const good = world.container('good');
    const node = first(good, () => {
      calls.expect(calls.call(cleanUp, killed, [good]), `${cleanUp}, ${when}`);
      world.remove(killed);
    });
    leaks.push(...differences(untouched, node).map((line) => `${when}: ${line}`));
  }
  return { recorded: points.length, tried: chosen.length, survived, tally, leaks, failures: calls.failures };
}

function differences(expected: Node, found: Node): string[] {
  return [
    ...leaked(expected.bridge, found.bridge).map((line) => `the bridge has ${line}`),
    ...missing(expected.bridge, found.bridge).map((line) => `the bridge, ${line}`),
    ...leaked(expected.rest, found.rest),
    ...missing(expected.rest, found.rest),
  ];
}
