/** What the kernel holds for one service port, in words. */

import type { Nftables } from '../../../shared/nftables/nftables.ts';
import { bytesOf, formatAddress, formatEndpoint } from '../model/endpoint.ts';
import type { Frontend, ServicePort } from '../model/service-port.ts';
import { mapsOf } from './content.ts';
import { endpointOfSlot, numberOf, packed, slotKey } from './keys.ts';
import type { Layout, SharedName } from './layout.ts';
import { keyOf, type Policy } from './programmed.ts';
import { decodeValue, type Value } from './values.ts';

/** One line for each frontend, and one for each endpoint behind it. */
export function explainPort(nft: Nftables, layout: Layout, _policy: Policy, port: ServicePort): string[] {
  return port.frontends.flatMap((frontend) => explainFrontend(nft, layout, port, frontend));
}

function explainFrontend(nft: Nftables, layout: Layout, port: ServicePort, frontend: Frontend): string[] {
  const maps = mapsOf(frontend.address === undefined);
  const key = keyOf(port, frontend);
  const held = (map: SharedName, at: string): string | undefined => {
    const data = nft.findElement(layout.sets[map], bytesOf(at))?.data;
    return data instanceof Uint8Array ? packed(data) : data && ('chain' in data ? data.chain : data.code);
  };
  const isIn = (map: SharedName): boolean => nft.findElement(layout.sets[map], bytesOf(key)) !== undefined;
  const where = frontend.address === undefined ? 'node port' : formatAddress(frontend.address);
  const name = `${where} ${frontend.port}/${port.protocol}`;
  const lines: string[] = [];
  const firewall = frontend.address === undefined ? undefined : held('firewall', key);
  if (firewall !== undefined) lines.push(`${name}: only for the networks of chain ${firewall}`);
  if (isIn(maps.reject)) lines.push(`${name}: rejected`);
  if (isIn(maps.drop)) lines.push(`${name}: dropped`);
  const slotsOf = (values: SharedName, slots: SharedName, note: string): void => {
    const number = held(values, key);
    if (number === undefined) return;
    const value = decodeValue(numberOf(number));
    lines.push(
      `${name}: ${value === undefined ? `unknown value ${numberOf(number)}` : describe(value)}${note}`,
    );
    if (value === undefined || value.affinity !== undefined) return;
    for (let slot = 0; slot < value.number; slot += 1) {
      const endpoint = held(slots, slotKey(key, slot));
      lines.push(
        `  ${slot}: ${endpoint === undefined ? 'nothing' : formatEndpoint(endpointOfSlot(endpoint))}`,
      );
    }
  };
  slotsOf(maps.values, maps.slots, '');
  slotsOf(maps.localValues, maps.localSlots, ', for packets from elsewhere');
  return lines.length === 0 ? [`${name}: nothing`] : lines;
}

const MASQUERADED: Readonly<Record<Value['kind'], string>> = {
  never: 'not masqueraded',
  'from-outside': "masqueraded unless from this node's pods",
  always: 'masqueraded',
  'by-source': 'by source: pods as they are, this node masqueraded',
  local: 'not masqueraded',
};

function describe({ kind, number, affinity }: Value): string {
  const to =
    affinity === undefined
      ? `to ${number} endpoints`
      : `with affinity ${number}${affinity === 'here' ? ', here' : ''}`;
  return `${to}, ${MASQUERADED[kind]}`;
}
