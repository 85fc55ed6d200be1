/**
 * What CNI calls leave on a node, one line a thing, so that the state after can be held against the state before.
 *
 * host-local's own `lock` and `last_reserved_ip.*` stay by design and are not listed.
 */

import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isLocked } from '../../shared/sys/lock.ts';
import { ipJson, nftJson, run } from '../testing/netns.ts';

/** Directories in which plugins keep files. */
const directories = ['/run/underpod', '/run/flannel', '/var/lib/cni', '/var/lib/underpod', '/etc/cni'];

const kept = /\/(lock|last_reserved_ip\.\d+|\.underpod\/[^/]+\/(stamp|taken-[^/]+))$/;

function filesBelow(directory: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

interface IpLink {
  readonly ifname: string;
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
}

interface IpRoute {
  readonly dst: string;
  readonly dev?: string;
  readonly table?: string;
  readonly type?: string;
  readonly gateway?: string;
}

/** Links with their addresses. What the kernel gives by itself (a link-local address) comes late and is left out. */
function links(): string[] {
  return ipJson<IpLink[]>('address').flatMap(({ ifname, addr_info = [] }) => [
    `link ${ifname}`,
    ...addr_info
      .filter(({ local }) => !local.startsWith('fe80:'))
      .map(({ local, prefixlen }) => `address of ${ifname} ${local}/${prefixlen}`),
  ]);
}

/** Routes of every table, without those that come and go with link-local addresses and multicast. */
function routes(): string[] {
  return ['-4', '-6'].flatMap((family) =>
    ipJson<IpRoute[]>(family, 'route', 'show', 'table', 'all')
      .filter(({ dst }) => !/^(fe80:|ff00:)/.test(dst))
      .map(
        ({ dst, dev, table = 'main', type = 'unicast', gateway }) =>
          `route ${type} ${dst} via ${gateway ?? '-'} dev ${dev ?? '-'} table ${table}`,
      ),
  );
}

/** Neighbours and forwarding entries that somebody wrote: learned ones fade, and a link's own address comes with it. */
function neighbours(): string[] {
  const entries = ipJson<{ dst: string; dev: string }[]>('neighbour', 'show', 'nud', 'permanent');
  const own = new Map(
    ipJson<{ ifname: string; address: string }[]>('link').map((link) => [link.ifname, link.address]),
  );
  const forwarding = JSON.parse(run('bridge', '-j', 'fdb', 'show')) as Fdb[];
  return [
    ...entries.map(({ dst, dev }) => `neighbour ${dst} dev ${dev}`),
    ...forwarding
      .filter(({ ifname, mac }) => mac !== own.get(ifname))
      .filter(({ state, mac }) => state === 'permanent' && !/^(33:33|01:00:5e)/.test(mac))
      .map(({ mac, ifname, vlan }) => `forwarding ${mac} dev ${ifname} vlan ${vlan ?? '-'}`),
  ];
}

interface Fdb {
  readonly mac: string;
  readonly ifname: string;
  readonly state: string;
  readonly vlan?: number;
}

function rules(): string[] {
  return nftJson('list', 'ruleset').nftables.flatMap((object) => {
    const rule = object['rule'] as { table: string; chain: string; comment?: string } | undefined;
    const element = object['set'] as { table: string; name: string; elem?: unknown[] } | undefined;
    if (rule) return [`rule ${rule.table} ${rule.chain} ${JSON.stringify({ ...rule, handle: undefined })}`];
    return (element?.elem ?? []).map(
      (value) => `element ${element?.table} ${element?.name} ${JSON.stringify(value)}`,
    );
  });
}

/**
 * Everything that a call could leave or take away: `link`, `address of` a link, `route`, `neighbour`, `forwarding`,
 * `file`, `address` (a reservation), `lock`, `rule`, `element`. Sorted.
 */
export function snapshot(): string[] {
  const files = directories.flatMap(filesBelow).filter((path) => !kept.test(path));
  const locks = directories
    .flatMap(filesBelow)
    .filter((path) => isLocked(path))
    .map((path) => `lock ${path}`);
  const kind = (path: string): string => (path.startsWith('/var/lib/cni/networks/') ? 'address' : 'file');
  return [
    ...links(),
    ...routes(),
    ...neighbours(),
    ...locks,
    ...files.map((path) => `${kind(path)} ${path}`),
    ...rules(),
  ].sort();
}

/** What `before` had and `after` has not, marked as such. */
export function missing(before: readonly string[], after: readonly string[]): string[] {
  return leaked(after, before).map((line) => `gone: ${line}`);
}

/** What `after` has more than `before`. */
export function leaked(before: readonly string[], after: readonly string[]): string[] {
  const rest = [...before];
  return after.filter((line) => {
    const index = rest.indexOf(line);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}
