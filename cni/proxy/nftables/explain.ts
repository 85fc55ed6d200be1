/** What the kernel holds for one service port, in words. */

import { formatIp, ipFromBytes } from '../../../shared/ip/ip.ts';
import type { Element } from '../../../shared/nftables/model/element.ts';
import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { bytesOf, type Endpoint, formatAddress, formatEndpoint } from '../model/endpoint.ts';
import type { Frontend, ServicePort } from '../model/service-port.ts';
import { clientsSet } from './affinity.ts';
import { mapsOf } from './content.ts';
import { endpointOfSlot, numberOf, packed, slotKey } from './keys.ts';
import type { Layout, SharedName } from './layout.ts';
import { affinityChain, clientsOf, firewallChain, sourcesOf } from './object-names.ts';
import { keyOf } from './programmed.ts';
import { decodeValue, type Value } from './values.ts';

/** One line for each thing that holds for a frontend, and one for each endpoint behind it. */
export function explainPort(nft: Nftables, layout: Layout, port: ServicePort): string[] {
  const kernel = new PortInKernel(nft, layout, port);
  return port.frontends.flatMap((frontend) => kernel.explain(frontend));
}

class PortInKernel {
  readonly #nft: Nftables;
  readonly #layout: Layout;
  readonly #port: ServicePort;

  constructor(nft: Nftables, layout: Layout, port: ServicePort) {
    this.#nft = nft;
    this.#layout = layout;
    this.#port = port;
  }

  explain(frontend: Frontend): string[] {
    const { address, port } = frontend;
    const maps = mapsOf(address === undefined);
    const key = keyOf(this.#port, frontend);
    const name = `${address === undefined ? 'node port' : formatAddress(address)} ${port}/${this.#port.protocol}`;
    const lines = [
      ...(address === undefined ? [] : this.#sources(key)),
      ...(this.#find(maps.reject, key) ? ['rejected'] : []),
      ...(this.#find(maps.drop, key) ? ['dropped'] : []),
      ...this.#served(key, maps.values, maps.slots, ''),
      ...this.#served(key, maps.localValues, maps.localSlots, ', for packets from elsewhere'),
    ];
    if (lines.length === 0) lines.push('nothing');
    return lines.map((line) => (line.startsWith(' ') ? line : `${name}: ${line}`));
  }

  #find(map: SharedName, key: string): Element | undefined {
    return this.#nft.findElement(this.#layout.sets[map], bytesOf(key));
  }

  /** The value of a data map, as bytes. */
  #value(map: SharedName, key: string): string | undefined {
    const data = this.#find(map, key)?.data;
    return data instanceof Uint8Array ? packed(data) : undefined;
  }

  #sources(key: string): string[] {
    const verdict = this.#find('firewall', key)?.data;
    if (verdict === undefined || verdict instanceof Uint8Array) return [];
    const chain = 'chain' in verdict ? verdict.chain : verdict.code;
    if (chain !== firewallChain(this.#port.name)) return [`goes through ${chain}`];
    const { table, addressType } = this.#layout;
    const set = {
      kind: 'set',
      family: table.family,
      table: table.name,
      key: [addressType],
      interval: true,
    } as const;
    const ranges = this.#nft.listElements({ ...set, name: sourcesOf(this.#port.name) });
    return [`only for ${ranges.map(rangeText).join(', ') || 'nobody'}`];
  }

  #served(key: string, values: SharedName, slots: SharedName, note: string): string[] {
    const number = this.#value(values, key);
    if (number === undefined) return [];
    const value = decodeValue(numberOf(number));
    if (value === undefined) return [`unknown value ${numberOf(number)}${note}`];
    if (value.affinity !== undefined) return this.#remembered(value, note);
    const endpoints = Array.from({ length: value.number }, (_, slot) => {
      const held = this.#value(slots, slotKey(key, slot));
      return `  ${slot}: ${held === undefined ? 'nothing' : formatEndpoint(endpointOfSlot(held))}`;
    });
    return [`to ${counted(value.number, 'endpoint')}, ${MASQUERADED[value.kind]}${note}`, ...endpoints];
  }

  /** With affinity the endpoints are those whose sets the port's chain looks into. */
  #remembered(value: Value, note: string): string[] {
    const where = value.affinity ?? 'everywhere';
    const looked = this.#lookedInto(where);
    const everybody = new Set<Endpoint>([...this.#port.endpoints, ...this.#port.localEndpoints]);
    const endpoints = [...everybody].filter((endpoint) =>
      looked.delete(clientsOf(this.#port.name, endpoint)),
    );
    const lines = endpoints.map((endpoint, at) => {
      const clients = this.#nft.listPacked(
        clientsSet(this.#layout, clientsOf(this.#port.name, endpoint)),
      ).size;
      return `  ${at}: ${formatEndpoint(endpoint)}, remembered by ${counted(clients, 'client')}`;
    });
    const strangers = [...looked].map((set) => `  unknown: ${set}`);
    const to = `to ${counted(endpoints.length, 'endpoint')}${where === 'here' ? ' here' : ''} with affinity`;
    return [`${to}, ${MASQUERADED[value.kind]}${note}`, ...lines, ...strangers];
  }

  #lookedInto(where: 'everywhere' | 'here'): Set<string> {
    const rules = this.#nft.listRules(this.#layout.table, affinityChain(this.#port.name, where));
    const sets = rules.flatMap(({ expressions }) =>
      expressions.flatMap((e) => (e.kind === 'lookup' && e.dest === undefined ? [e.set] : [])),
    );
    return new Set(sets);
  }
}

const MASQUERADED: Readonly<Record<Value['kind'], string>> = {
  never: 'not masqueraded',
  'from-outside': "masqueraded unless from this node's pods",
  always: 'masqueraded',
  'by-source': 'by source: pods as they are, this node masqueraded',
  local: 'not masqueraded',
};

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function rangeText({ key, keyEnd }: Element): string {
  const first = formatIp(ipFromBytes(key));
  return keyEnd === undefined ? first : `${first}-${formatIp(ipFromBytes(keyEnd))}`;
}
