/** What the kernel must have and how it must be set. Pure. */

import { type Facts, type LinkFact, statusOf } from '../facts.ts';
import { type Finding, finder } from '../finding.ts';
import type { Traffic } from '../traffic.ts';

const kernel = finder('kernel');
const forwarding = finder('forwarding');
const source = finder('rp_filter');
const bridge = finder('br_netfilter');
const clock = finder('clock');

export function checkKernel(facts: Facts, traffic: Traffic): Finding[] {
  return [
    ...features(facts, traffic),
    ...switches(facts),
    ...sourceChecks(facts),
    ...bridged(facts),
    ...time(facts),
  ];
}

function features({ features: has, links }: Facts, traffic: Traffic): Finding[] {
  const needed = ['nf_tables', 'nf_nat'];
  if (traffic.kind === 'vxlan' || traffic.kind === 'wireguard' || traffic.kind === 'ipip')
    needed.push(traffic.kind);
  // A device that is there shows it best.
  const isThere = (feature: string): boolean => links.some(({ kind }) => kind === feature);
  const of = (presence: string): string[] =>
    needed.filter((feature) => !isThere(feature) && has[feature] === presence);
  const [absent, unknown] = [of('absent'), of('unknown')];
  if (absent.length > 0)
    return absent.map((feature) =>
      kernel(
        'error',
        `the kernel has no ${feature}`,
        `install a kernel with the module ${feature}, or use another backend`,
      ),
    );
  if (unknown.length > 0)
    return [kernel('notice', `it cannot be told from here whether the kernel has ${unknown.join(', ')}`)];
  return [kernel('ok', `it has ${needed.join(', ')}`)];
}

/** Interfaces that pods' packets come in by. */
function ways({ links, agent }: Facts): LinkFact[] {
  const status = statusOf({ agent });
  const names = [
    ...(status?.devices ?? []).map(({ name }) => name),
    ...(status?.underlays ?? []).map((u) => u.interface),
  ];
  return links.filter(({ name }) => names.includes(name));
}

function switches(facts: Facts): Finding[] {
  const { sysctls } = facts;
  const networks = statusOf(facts)?.networks ?? [];
  const found: Finding[] = [];
  const advice =
    'the agent sets it; whoever sets it back (sysctl.d, a hardening tool) has to be told otherwise';
  const look = (family: 4 | 6): void => {
    const global = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
    if (sysctls[global] === '0')
      found.push(forwarding('error', `${global} is 0: no pod reaches another node`, advice));
    for (const { name } of ways(facts)) {
      const key = `net/ipv${family}/conf/${name}/forwarding`;
      if (sysctls[key] === '0') found.push(forwarding('error', `${key} is 0`, advice));
    }
  };
  if (networks.length === 0 || networks.some((network) => !network.includes(':'))) look(4);
  if (networks.some((network) => network.includes(':'))) look(6);
  return found.length > 0 ? found : [forwarding('ok', 'is on')];
}

/** The kernel takes the larger of an interface's value and that of `all` (ip-sysctl.rst). */
function sourceChecks(facts: Facts): Finding[] {
  const { sysctls } = facts;
  const all = Number(sysctls['net/ipv4/conf/all/rp_filter'] ?? 0);
  const strict = ways(facts).filter(
    ({ name }) => Math.max(all, Number(sysctls[`net/ipv4/conf/${name}/rp_filter`] ?? 0)) === 1,
  );
  const tunnels = statusOf(facts)?.devices.map(({ name }) => name) ?? [];
  if (strict.length === 0) return statusOf(facts) ? [source('ok', 'does not stand in the way')] : [];
  return strict.map(({ name }) =>
    tunnels.includes(name)
      ? source(
          'error',
          `${name} checks sources strictly (1): what comes back by another way is dropped`,
          `set net.ipv4.conf.${name}.rp_filter to 2; the agent does while it runs`,
        )
      : source(
          'notice',
          `${name} checks sources strictly (1)`,
          'where nodes have several interfaces or routes, set it to 2',
        ),
  );
}

function bridged({ sysctls, links }: Facts): Finding[] {
  if (!links.some(({ kind }) => kind === 'bridge')) return [];
  const value = sysctls['net/bridge/bridge-nf-call-iptables'];
  const advice =
    'pods on one node may fail to reach each other by a service address: load br_netfilter, set net.bridge.bridge-nf-call-iptables to 1';
  if (value === undefined) return [bridge('notice', 'the module is not loaded', advice)];
  return value === '1'
    ? [bridge('ok', 'bridged packets are filtered')]
    : [bridge('notice', 'it is switched off', advice)];
}

function time({ clockSynchronised }: Facts): Finding[] {
  if (clockSynchronised === undefined) return [];
  if (clockSynchronised) return [clock('ok', 'is synchronised')];
  return [
    clock(
      'notice',
      'the kernel does not know of anything that keeps its clock right',
      'leases and certificates need clocks that agree: run chrony or systemd-timesyncd, unless the host sets the clock',
    ),
  ];
}
