/** What a case left in kernel and files, as values in which only what differs by itself is hidden. */

import type { FreshNode, Json } from '../cni/fresh-node.ts';

interface Link extends Json {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly addr_info?: readonly Json[];
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Json };
}

/** Flags that come and go with the peer, not with a configuration. */
const volatileFlags = ['LOWER_UP', 'NO-CARRIER', 'M-DOWN'];

/** Of the kinds' own data, what a configuration sets. */
const kindKeys = ['mode', 'id', 'table', 'type', 'multi_queue', 'user', 'group'];

function links(node: FreshNode, where: 'host' | 'pod'): Json {
  const all = node.ip<Link[]>(where, 'address', 'show');
  return Object.fromEntries(
    all.map((link) => [
      link.ifname,
      {
        kind: link.linkinfo?.info_kind,
        data: pick(link.linkinfo?.info_data ?? {}, kindKeys),
        flags: link.flags.filter((flag) => !volatileFlags.includes(flag)).join(' '),
        mtu: link['mtu'],
        txqlen: link.linkinfo?.info_kind === 'veth' && where === 'host' ? undefined : link['txqlen'],
        mac: link['address'],
        master: link['master'],
        addresses: (link.addr_info ?? [])
          .filter(({ local }) => !String(local).startsWith('fe80:'))
          .map(
            ({ local, prefixlen, scope, broadcast }) => `${local}/${prefixlen} ${scope} ${broadcast ?? '-'}`,
          )
          .sort(),
      },
    ]),
  );
}

function routes(node: FreshNode, where: 'host' | 'pod'): string[] {
  return ['-4', '-6'].flatMap((family) =>
    node
      .ip(where, family, 'route', 'show', 'table', 'all')
      .filter(({ dst }) => !/^(fe80:|ff00:)/.test(String(dst)))
      .map(
        ({ dst, dev, table, type, gateway, metric, prefsrc, scope }) =>
          `${type ?? 'unicast'} ${dst} via ${gateway ?? '-'} dev ${dev} table ${table ?? 'main'} metric ${metric ?? '-'} src ${prefsrc ?? '-'} scope ${scope ?? '-'}`,
      )
      .sort(),
  );
}

function policy(node: FreshNode, where: 'host' | 'pod'): string[] {
  return ['-4', '-6'].flatMap((family) =>
    node
      .ip(where, family, 'rule', 'show')
      .map(({ src, srclen, table }) => `from ${src}/${srclen ?? '-'} table ${table}`),
  );
}

/** Packet filter rules: what nft shows, and iptables' legacy tables where there are any. */
function rules(node: FreshNode): string[] {
  const nft = node.run('nft', 'list', 'ruleset').split('\n');
  const legacy = ['iptables', 'ip6tables'].flatMap((program) => {
    // Listing makes the tables: only where they are there already.
    const names = node.run('cat', `/proc/self/net/${program === 'iptables' ? 'ip' : 'ip6'}_tables_names`);
    return names.trim() === '' ? [] : node.run(`${program}-legacy-save`).split('\n');
  });
  return [...nft, ...legacy]
    .filter((line) => line.trim() !== '' && !line.startsWith('#') && !line.startsWith(':'))
    .map((line) => line.trim().replace(/ ?counter packets \d+ bytes \d+/, ''));
}

function shaping(node: FreshNode): string[] {
  const qdiscs = JSON.parse(node.run('tc', '-j', 'qdisc', 'show')) as Json[];
  return qdiscs
    .filter(({ kind }) => !['noqueue', 'pfifo_fast', 'fq_codel', 'mq'].includes(String(kind)))
    .map(({ kind, dev, options }) => `${kind} ${dev} ${JSON.stringify(options)}`)
    .sort();
}

/** State of the pod. */
export function podState(node: FreshNode): Json {
  return { links: links(node, 'pod'), routes: routes(node, 'pod'), policy: policy(node, 'pod') };
}

/** State of the host, with the files that both sides keep in the same place. */
export function hostState(node: FreshNode): Json {
  const files = Object.entries(node.files()).filter(([path]) => !path.startsWith('/run/underpod/'));
  return {
    links: links(node, 'host'),
    routes: routes(node, 'host'),
    rules: rules(node),
    shaping: shaping(node),
    files: Object.fromEntries(files),
  };
}

function pick(from: Json, keys: readonly string[]): Json {
  return Object.fromEntries(keys.filter((key) => key in from).map((key) => [key, from[key]]));
}
