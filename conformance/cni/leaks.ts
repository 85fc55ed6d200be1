/**
 * What CNI calls leave on a node, one line a thing, so that the state after can be held against the state before.
 *
 * host-local's own `lock` and `last_reserved_ip.*` stay by design and are not listed.
 */

import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLocked } from '../../shared/sys/lock.ts';
import { ipJson, nftJson, run } from '../testing/netns.ts';

/** Directories in which plugins keep files; what type tuning changed is kept below /run/cni. */
const directories = [
  '/run/underpod',
  '/run/cni',
  '/run/flannel',
  '/var/lib/cni',
  '/var/lib/underpod',
  '/etc/cni',
];

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
  readonly flags: readonly string[];
  readonly addr_info?: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
    readonly tentative?: boolean;
    readonly dadfailed?: boolean;
  }[];
}

interface IpRoute {
  readonly dst: string;
  readonly dev?: string;
  readonly table?: string;
  readonly type?: string;
  readonly gateway?: string;
}

/** Links with their addresses. What the kernel gives by itself (a link-local address) comes late and is left out. */
function links(all: readonly IpLink[]): string[] {
  return all.flatMap(({ ifname, addr_info = [] }) => [
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

/** How long a snapshot waits for the kernel's own part. */
const settleMs = 1_000;

/**
 * Links and routes, once the kernel has done its part: it makes the local route of an IPv6 address in a work queue
 * (addrconf_dad_work, net/ipv6/addrconf.c), on a busy machine 20 ms after it said that the address is there. Where that
 * does not come the snapshot shows it.
 */
function settledLinksAndRoutes(): string[] {
  const deadline = performance.now() + settleMs;
  for (;;) {
    const all = ipJson<IpLink[]>('address');
    const found = routes();
    const expected = all
      .filter(({ flags }) => flags.includes('UP'))
      .flatMap(({ ifname, addr_info = [] }) =>
        addr_info
          .filter(({ family, tentative, dadfailed }) => family === 'inet6' && !tentative && !dadfailed)
          .filter(({ local }) => !local.startsWith('fe80:'))
          .map(({ local }) => localRoute(local, ifname)),
      );
    if (expected.every((line) => found.includes(line)) || performance.now() > deadline)
      return [...links(all), ...found];
  }
}

function localRoute(address: string, link: string): string {
  return `route local ${address} via - dev ${link} table local`;
}

/** Neighbours and forwarding entries that somebody wrote: learned ones fade, and a link's own address comes with it. */
function neighbours(): string[] {
  const entries = ipJson<{ dst: string; dev: string }[]>('neighbour', 'show', 'nud', 'permanent');
  const own = new Map(
    ipJson<{ ifname: string; address: string }[]>('link').map((link) => [link.ifname, link.address]),
  );
  const forwarding = JSON.parse(run('bridge', '-j', 'fdb', 'show')) as Fdb[];
  const written = forwarding
    .filter(({ ifname, mac }) => mac !== own.get(ifname))
    .filter(({ state, mac }) => state === 'permanent' && !/^(33:33|01:00:5e)/.test(mac));
  const live = written.length === 0 ? [] : macvlanAddresses();
  return [
    ...entries.map(({ dst, dev }) => `neighbour ${dst} dev ${dev}`),
    ...written
      .filter(({ mac }) => !live.includes(mac))
      .map(({ mac, ifname, vlan }) => `forwarding ${mac} dev ${ifname} vlan ${vlan ?? '-'}`),
  ];
}

/**
 * Addresses of the macvlans in containers: their master listens to them for as long as they are there, and they end with
 * their namespace.
 */
function macvlanAddresses(): string[] {
  return readdirSync('/run/netns').flatMap((name) =>
    ipJson<{ address: string }[]>('-n', name, 'link', 'show', 'type', 'macvlan').map(
      ({ address }) => address,
    ),
  );
}

interface Fdb {
  readonly mac: string;
  readonly ifname: string;
  readonly state: string;
  readonly vlan?: number;
}

interface Named {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly elem?: readonly unknown[];
}

/** All of nf_tables, iptables' share of it included. Counters count, and so are no part of a rule. */
function rules(): string[] {
  return nftJson('list', 'ruleset').nftables.flatMap((object) => {
    const rule = object['rule'] as { table: string; chain: string; comment?: string } | undefined;
    if (rule) {
      const text = JSON.stringify({ ...rule, handle: undefined });
      return [`rule ${rule.table} ${rule.chain} ${text.replace(/"(packets|bytes)":\d+/g, '"$1":0')}`];
    }
    const chain = object['chain'] as Named | undefined;
    if (chain) return [`chain ${chain.family} ${chain.table} ${chain.name}`];
    const set = (object['set'] ?? object['map']) as Named | undefined;
    if (!set) return [];
    const elements = set.elem ?? [];
    return [
      `set ${set.family} ${set.table} ${set.name}`,
      ...elements.map((value) => `element ${set.table} ${set.name} ${JSON.stringify(value)}`),
    ];
  });
}

/** iptables' legacy tables, where there are any: to ask for one makes it. */
function legacyRules(): string[] {
  return ['ip', 'ip6'].flatMap((family) => {
    const names = `/proc/thread-self/net/${family}_tables_names`;
    if (!existsSync(names) || readFileSync(names, 'latin1').trim() === '') return [];
    const program = `${family}tables-legacy-save`;
    let table = '';
    return run(program)
      .split('\n')
      .flatMap((line) => {
        if (line.startsWith('*')) table = line.slice(1);
        if (line.startsWith('-A')) return [`iptables ${family} ${table} ${line}`];
        // `:NAME - [0:0]` is a chain that somebody made; a policy stands where `-` is for the kernel's own.
        return /^:\S+ - /.test(line)
          ? [`iptables ${family} ${table} chain ${line.split(' ')[0]?.slice(1)}`]
          : [];
      });
  });
}

interface Qdisc {
  readonly kind: string;
  readonly dev: string;
  readonly handle: string;
  readonly parent?: string;
  readonly options?: unknown;
}

/** Queueing disciplines that the kernel gives a link by itself. */
const usualQdiscs = ['noqueue', 'pfifo_fast', 'fq_codel', 'mq'];

/** Queueing disciplines, and the filters at those that take any. */
function shaping(): string[] {
  const qdiscs = (JSON.parse(run('tc', '-j', 'qdisc', 'show')) as Qdisc[]).filter(
    ({ kind }) => !usualQdiscs.includes(kind),
  );
  return qdiscs.flatMap(({ kind, dev, handle, options }) => [
    `qdisc ${kind} dev ${dev} ${JSON.stringify(options ?? {})}`,
    ...run('tc', 'filter', 'show', 'dev', dev, 'parent', handle)
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => `filter dev ${dev} ${line.trim()}`),
  ]);
}

interface PolicyRule {
  readonly priority: number;
  readonly src: string;
  readonly srclen?: number;
  readonly dst?: string;
  readonly iif?: string;
  readonly fwmark?: string;
  readonly table?: string;
}

function policyRules(): string[] {
  return ['-4', '-6'].flatMap((family) =>
    ipJson<PolicyRule[]>(family, 'rule', 'show').map(
      ({ priority, src, srclen, dst, iif, fwmark, table }) =>
        `policy ${family} ${priority} from ${src}${srclen === undefined ? '' : `/${srclen}`} to ${dst ?? 'all'} iif ${iif ?? '-'} mark ${fwmark ?? '-'} table ${table ?? '-'}`,
    ),
  );
}

/**
 * Everything that a call could leave or take away: `link`, `address of` a link, `route`, `neighbour`, `forwarding`,
 * `file`, `address` (a reservation), `lock`, `rule`, `chain`, `set`, `element`, `iptables`, `qdisc`, `filter`, `policy`.
 * Sorted.
 */
export function snapshot(): string[] {
  const files = directories.flatMap(filesBelow).filter((path) => !kept.test(path));
  const locks = directories
    .flatMap(filesBelow)
    .filter((path) => isLocked(path))
    .map((path) => `lock ${path}`);
  const kind = (path: string): string => (path.startsWith('/var/lib/cni/networks/') ? 'address' : 'file');
  return [
    ...settledLinksAndRoutes(),
    ...neighbours(),
    ...locks,
    ...files.map((path) => `${kind(path)} ${path}`),
    ...rules(),
    ...legacyRules(),
    ...shaping(),
    ...policyRules(),
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
