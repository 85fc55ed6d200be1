/** What a case left in kernel and files, as values in which only what differs by itself is hidden. */

import type { FreshNode, Json } from '../cni/fresh-node.ts';

interface Link extends Json {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly addr_info?: readonly Json[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: Json;
    readonly info_slave_data?: Json;
  };
}

/** Flags that come and go with the peer, not with a configuration. */
const volatileFlags = ['LOWER_UP', 'NO-CARRIER', 'M-DOWN'];

/** Of the kinds' own data, what a configuration sets. */
const kindKeys = [
  'mode',
  'id',
  'table',
  'type',
  'multi_queue',
  'user',
  'group',
  'protocol',
  'vlan_filtering',
];

/** Of a bridge's port, likewise. */
const portKeys = ['hairpin', 'isolated'];

function links(node: FreshNode, where: 'host' | 'pod'): Json {
  const all = node.ip<Link[]>(where, 'address', 'show');
  return Object.fromEntries(
    all.map((link) => [
      link.ifname,
      {
        kind: link.linkinfo?.info_kind,
        data: pick(link.linkinfo?.info_data ?? {}, kindKeys),
        port: pick(link.linkinfo?.info_slave_data ?? {}, portKeys),
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

/** Lines as keys, so that a line more on one side moves no other. */
function lines(all: readonly string[]): Json {
  const counts: Record<string, number> = {};
  for (const line of all) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
}

/** Routes that somebody added: those of addresses follow them, IPv6's only once the address was found to be free. */
function routes(node: FreshNode, where: 'host' | 'pod'): Json {
  return lines(
    ['-4', '-6'].flatMap((family) =>
      node
        .ip(where, family, 'route', 'show', 'table', 'all')
        .filter(({ dst, type = 'unicast' }) => type === 'unicast' && !/^(fe80:|ff00:|::1$)/.test(String(dst)))
        .map(
          ({ dst, dev, table, gateway, metric, prefsrc, scope }) =>
            `${dst} via ${gateway ?? '-'} dev ${dev} table ${table ?? 'main'} metric ${metric ?? '-'} src ${prefsrc ?? '-'} scope ${scope ?? '-'}`,
        ),
    ),
  );
}

function policy(node: FreshNode, where: 'host' | 'pod'): Json {
  return lines(
    ['-4', '-6'].flatMap((family) =>
      node
        .ip(where, family, 'rule', 'show')
        .map(({ src, srclen, table }) => `${family} from ${src}/${srclen ?? '-'} table ${table}`),
    ),
  );
}

/** Packet filter rules: what nft shows, and iptables' legacy tables where there are any. */
function rules(node: FreshNode): Json {
  const legacy = ['iptables', 'ip6tables'].flatMap((program) => {
    // Listing makes the tables: only where they are there already. Kernels without their module have no such file.
    const file = `/proc/self/net/${program === 'iptables' ? 'ip' : 'ip6'}_tables_names`;
    const names = node.run('sh', '-c', `cat ${file} 2>/dev/null || true`);
    if (names.trim() === '') return [];
    const text = node.run(`${program}-legacy-save`).split('\n');
    return text.filter((line) => line.startsWith('-A')).map((line) => `${program} ${line}`);
  });
  return lines([...inContext(node.run('nft', 'list', 'ruleset')), ...legacy]);
}

/** Each line of a rule set with the names of what it stands in, without counters and remarks about chains. */
function inContext(ruleset: string): string[] {
  const context: string[] = [];
  const found: string[] = [];
  for (const raw of ruleset.split('\n')) {
    const line = raw.trim().replace(/ ?counter packets \d+ bytes \d+/, '');
    if (line === '' || line.startsWith('comment ') || line.startsWith('#')) continue;
    if (line.endsWith('{')) context.push(line.slice(0, -2));
    else if (line === '}') context.pop();
    else found.push(`${context.join(' ')}: ${line}`);
  }
  return found;
}

function shaping(node: FreshNode): Json {
  const qdiscs = JSON.parse(node.run('tc', '-j', 'qdisc', 'show')) as Json[];
  return lines(
    qdiscs
      .filter(({ kind }) => !['noqueue', 'pfifo_fast', 'fq_codel', 'mq'].includes(String(kind)))
      .map(({ kind, dev, options }) => `${kind} ${dev} ${JSON.stringify(options)}`),
  );
}

/** The VLANs of bridges and their ports. */
function vlans(node: FreshNode): Json {
  const all = JSON.parse(node.run('bridge', '-j', 'vlan', 'show')) as { ifname: string; vlans: Json[] }[];
  return Object.fromEntries(
    all.map(({ ifname, vlans: own }) => [ifname, lines(own.map((one) => JSON.stringify(one)))]),
  );
}

/** State of the pod. */
export function podState(node: FreshNode): Json {
  return { links: links(node, 'pod'), routes: routes(node, 'pod'), policy: policy(node, 'pod') };
}

/** State of the host, with the files that both sides keep in the same place. */
export function hostState(node: FreshNode): Json {
  const files = Object.entries(node.files()).filter(
    // Ours alone; so is host-local's index.
    ([path]) => !path.startsWith('/run/underpod/') && !path.includes('/.underpod/'),
  );
  return {
    links: links(node, 'host'),
    routes: routes(node, 'host'),
    rules: rules(node),
    shaping: shaping(node),
    vlans: vlans(node),
    files: Object.fromEntries(files.map(([path, text]) => [path, contents(text)])),
  };
}

function pick(from: Json, keys: readonly string[]): Json {
  return Object.fromEntries(keys.filter((key) => key in from).map((key) => [key, from[key]]));
}

/** A file as a value where it is JSON, whose keys have no order. */
function contents(text: string): unknown {
  try {
    return text.startsWith('{') ? JSON.parse(text) : text;
  } catch {
    return text;
  }
}
