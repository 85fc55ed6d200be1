/** What this node's packet filters do to pods' packets and to the tunnel's. Reads only. */

import type { Kernel } from '../../cni/agent/kernel/kernel.ts';
import { isTrustedInFirewalld } from '../../cni/agent/rules/foreign/firewalld.ts';
import { ForwardGuard } from '../../cni/agent/rules/foreign/guard.ts';
import { type IptablesTable, parseIptablesSave } from '../../cni/agent/rules/foreign/iptables-text.ts';
import { ownVariant } from '../../cni/agent/rules/iptables/own-variant.ts';
import type { AgentStatus } from '../../cni/agent/status.ts';
import { type Cidr, parseCidr } from '../../shared/ip/cidr.ts';
import { parseIp } from '../../shared/ip/ip.ts';
import { findPrograms, type IptablesVariant } from '../../shared/iptables/programs.ts';
import { errorText } from '../../shared/log/format.ts';
import { silentLogger } from '../../shared/log/logger.ts';
import type { Chain } from '../../shared/nftables/model/chain.ts';
import type { Table } from '../../shared/nftables/model/table.ts';
import type { Facts, TunnelInput } from './facts.ts';
import { lookOnly } from './look-only-kernel.ts';
import { judgeIptablesRule } from './packet/iptables-match.ts';
import { judgeNftRule } from './packet/nft-match.ts';
import type { Packet } from './packet/packet.ts';
import { type JudgedChain, walk } from './packet/walk.ts';
import type { Traffic } from './traffic.ts';

/** Where the agent would have to put an accept for pods and has not. */
export async function forwardDrops(
  kernel: Kernel,
  networks: readonly string[],
  status: Pick<AgentStatus, 'rules' | 'forwardAccepts'> | undefined,
): Promise<Pick<Facts, 'forwardDrops' | 'forwardProblem'>> {
  const view = lookOnly(kernel);
  try {
    // Rules in iptables accept there themselves.
    const variant = status?.rules === 'iptables' ? await ownVariant(view) : undefined;
    const guard = new ForwardGuard({
      kernel: view,
      log: silentLogger,
      allowRepair: () => true,
      leave: () => variant,
    });
    const cidrs = networks.flatMap((text) => parseCidr(text) ?? []);
    await guard.check(cidrs);
    return { forwardDrops: await untrusted(kernel, guard.places, cidrs, status?.forwardAccepts ?? []) };
  } catch (error) {
    return { forwardDrops: [], forwardProblem: errorText(error) };
  }
}

/**
 * Without the chains of a firewalld that owns its table and has the networks in its zone `trusted`: it says so itself or,
 * where its program is missing (in an image), the agent does.
 */
async function untrusted(
  kernel: Kernel,
  places: readonly string[],
  networks: readonly Cidr[],
  accepts: readonly string[],
): Promise<string[]> {
  const isItsOwn = (place: string): boolean => place.endsWith(' of table inet firewalld');
  if (!places.some(isItsOwn)) return [...places];
  const isTrusted = await isTrustedInFirewalld(kernel, networks);
  return places.filter((place) => !(isItsOwn(place) && (isTrusted ?? accepts.includes(place))));
}

/** What each chain at the input hook does to the tunnel's packets from a peer; `undefined` where nothing is to come in. */
export async function tunnelInput(
  kernel: Kernel,
  traffic: Traffic,
  status: AgentStatus,
): Promise<TunnelInput | undefined> {
  if (traffic.kind === 'none' || traffic.kind === 'plain') return undefined;
  const packets = packetsOf(traffic, status);
  const chains = [...nftChains(kernel, packets), ...(await iptablesChains(kernel, packets))];
  return { what: traffic.what, chains };
}

/** One a family: from a peer, or without one from whatever address the node's own network may have. */
function packetsOf(traffic: Traffic, { underlays, peers }: AgentStatus): Packet[] {
  return underlays.flatMap(({ interface: device, address }) => {
    const to = parseIp(address);
    const all = (peers.paths ?? []).flatMap(({ endpoint }) => parseIp(endpoint) ?? []);
    const from = all.find(({ family }) => family === to?.family) ?? to;
    if (!to || !from) return [];
    if (!('port' in traffic)) return [{ from, to, device, protocol: 4 }];
    const port = to.family === 6 ? (traffic.portV6 ?? traffic.port) : traffic.port;
    return [{ from, to, device, protocol: 17, port }];
  });
}

function nftChains(kernel: Kernel, packets: readonly Packet[]): TunnelInput['chains'][number][] {
  const { nftables } = kernel;
  return packets.flatMap((packet) =>
    (['inet', packet.from.family === 4 ? 'ip' : 'ip6'] as const).flatMap((family) =>
      nftables.listTables(family).flatMap((table) => {
        const chains = nftables.listChains(table);
        const judge = (chain: Chain): JudgedChain => judgeNftChain(kernel, table, chain, packet);
        return chains
          .filter(({ base }) => base?.hook === 'input' && base.type === 'filter')
          .filter(({ name }) => !isIptables(table, name))
          .map((chain) => ({
            place: `chain ${chain.name} of table ${table.family} ${table.name}`,
            verdict: walk(judge(chain), (name) => {
              const found = chains.find((candidate) => candidate.name === name);
              return found && judge(found);
            }),
          }));
      }),
    ),
  );
}

/** Those are read by their own program, which knows its extensions. */
function isIptables({ family, name }: Table, chain: string): boolean {
  return family !== 'inet' && name === 'filter' && chain === 'INPUT';
}

function judgeNftChain(kernel: Kernel, table: Table, chain: Chain, packet: Packet): JudgedChain {
  const { nftables } = kernel;
  const sets = nftables.listSets(table);
  const rules = nftables.listRules(table, chain.name).map(({ expressions }) =>
    judgeNftRule(expressions, packet, (name) => {
      const set = sets.find((candidate) => candidate.name === name);
      return set && nftables.listElements(set);
    }),
  );
  return { ...(chain.base && { policy: chain.base.policy ?? 'accept' }), rules };
}

async function iptablesChains(
  kernel: Kernel,
  packets: readonly Packet[],
): Promise<TunnelInput['chains'][number][]> {
  const found: TunnelInput['chains'][number][] = [];
  for (const packet of packets) {
    for (const variant of ['nft', 'legacy'] as const) {
      const table = await readTable(kernel, variant, packet.from.family);
      const place = `INPUT of ${packet.from.family === 4 ? 'iptables' : 'ip6tables'} (${variant})`;
      if (table === 'unreadable') found.push({ place, verdict: 'unsure' });
      if (table === undefined || table === 'unreadable') continue;
      const input = table.get('INPUT');
      if (!input) continue;
      const judge = (chain: typeof input): JudgedChain => ({
        ...(chain.policy && { policy: chain.policy }),
        rules: chain.rules.map(({ text, effect }) => judgeIptablesRule(text, effect, packet)),
      });
      const verdict = walk(judge(input), (name) => {
        const chain = table.get(name);
        return chain && judge(chain);
      });
      found.push({ place, verdict });
    }
  }
  return found;
}

/** Only where there is a table already: the programs would make one. Others may hold its lock, or it is not permitted. */
async function readTable(
  kernel: Kernel,
  variant: IptablesVariant,
  family: 4 | 6,
): Promise<IptablesTable | 'unreadable' | undefined> {
  const ref = { family: family === 4 ? 'ip' : 'ip6', name: 'filter' } as const;
  const isThere =
    variant === 'legacy'
      ? kernel.legacyFingerprint(family, 'filter') !== undefined
      : kernel.nftables.listChains(ref).some(({ name }) => name === 'INPUT');
  const programs = isThere ? await findPrograms(kernel, variant, family) : undefined;
  if (!programs) return undefined;
  const { code, stdout } = await kernel.run([programs.save, '-t', 'filter']);
  return code === 0 ? parseIptablesSave(stdout) : 'unreadable';
}
