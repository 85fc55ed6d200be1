/**
 * Service ports with affinity (sessionAffinity ClientIP): slots move, so that clients cannot be remembered by them. Such
 * a port has chains of its own, and for each endpoint a set of the clients that it served last. Pure.
 */

import { hostU32 } from '../../../shared/nftables/build/bytes.ts';
import { randomBelow } from '../../../shared/nftables/build/field.ts';
import { inSet, updateSet, vmap } from '../../../shared/nftables/build/lookup.ts';
import { setPriority } from '../../../shared/nftables/build/match.ts';
import { dnatTo } from '../../../shared/nftables/build/nat.ts';
import { drop, goTo } from '../../../shared/nftables/build/statement.ts';
import { l4protoIs } from '../../../shared/nftables/build/transport.ts';
import type { NftSet } from '../../../shared/nftables/model/set.ts';
import type { ModeSettings } from '../mode.ts';
import { addressOf, type Endpoint, portOf, unpackAddress } from '../model/endpoint.ts';
import type { ServicePort } from '../model/service-port.ts';
import { CHOICE, type ChainSpec, choiceOf, type RuleSpec, ruleOf } from './chain-spec.ts';
import { type Layout, treatmentsOf } from './layout.ts';
import { affinityChain, affinityTarget, clientsOf, endpointChain } from './object-names.ts';
import { NO_OBJECTS, type Objects } from './objects.ts';
import type { Programmed } from './programmed.ts';
import { bySourceRules, entryRules } from './treatment-chains.ts';
import { encodeValue, type Value } from './values.ts';

/** Most clients that an endpoint's set remembers; further ones are served without affinity. nft's own default. */
const MOST_CLIENTS = 65_536;

/**
 * All that a service port with affinity takes.
 *
 * @param values those that its frontends have
 */
export function affinityObjects(
  layout: Layout,
  settings: ModeSettings,
  { port, slots, localSlots }: Programmed,
  values: readonly Value[],
): Objects {
  if (values.length === 0) return NO_OBJECTS;
  const endpoints = [...new Set([...slots, ...localSlots])];
  const chains = endpoints.map((endpoint) => chainToEndpoint(layout, port, endpoint));
  const everywhere = values.some(({ affinity }) => affinity === 'everywhere');
  const here = values.some(({ affinity, kind }) => affinity === 'here' || kind === 'by-source');
  if (everywhere) chains.push(choiceChain(layout, port, 'everywhere', slots));
  if (here) chains.push(choiceChain(layout, port, 'here', localSlots));
  const entered = new Set<string>();
  for (const value of values) {
    const name = affinityTarget(port.name, value);
    if (value.kind === 'never' || entered.has(name)) continue;
    entered.add(name);
    const next = affinityChain(port.name, value.affinity ?? 'everywhere');
    const rules =
      value.kind === 'by-source' || value.kind === 'local'
        ? bySourceRules(layout, settings, next, affinityChain(port.name, 'here'))
        : entryRules(layout, settings, value.kind, next);
    chains.push({ name, rules });
  }
  return {
    sets: endpoints.map((endpoint) => ({ set: clientsSet(layout, clientsOf(port.name, endpoint)) })),
    chains,
    treatments: values.map((value) => ({
      map: treatmentsOf(value),
      value: encodeValue(value),
      target: affinityTarget(port.name, value),
    })),
  };
}

export function clientsSet({ table, addressType }: Layout, name: string): NftSet {
  return {
    kind: 'set',
    family: table.family,
    table: table.name,
    name,
    key: [addressType],
    dynamic: true,
    timeouts: true,
    size: MOST_CLIENTS,
  };
}

/**
 * Remembers the client, then translates: in two rules, as one that finds the set full goes no further, and a full set
 * must cost affinity, not the connection.
 */
function chainToEndpoint(layout: Layout, port: ServicePort, endpoint: Endpoint): ChainSpec {
  const clients = clientsOf(port.name, endpoint);
  const protocol = ({ TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const)[port.protocol];
  return {
    name: endpointChain(port.name, endpoint),
    rules: [
      ruleOf(layout, [updateSet(layout.saddr, clients, { timeout: (port.affinity ?? 0) * 1000 })]),
      ruleOf(layout, [l4protoIs(protocol), dnatTo(unpackAddress(addressOf(endpoint)), portOf(endpoint))]),
    ],
  };
}

/** Clients go to the endpoint that knows them, others to any. */
function choiceChain(
  layout: Layout,
  port: ServicePort,
  where: 'everywhere' | 'here',
  among: readonly Endpoint[],
): ChainSpec {
  // In an order of their own, by which a chain that is there is recognized.
  const endpoints = [...among].sort();
  const target = (endpoint: Endpoint): string => endpointChain(port.name, endpoint);
  const rules: RuleSpec[] = [ruleOf(layout, [setPriority(0)])];
  for (const endpoint of endpoints) {
    const known = inSet(layout.saddr, clientsOf(port.name, endpoint));
    rules.push(ruleOf(layout, [known, goTo(target(endpoint))]));
  }
  const choice = endpoints.map((endpoint, number) => ({
    key: hostU32(number),
    data: { code: 'goto', chain: target(endpoint) } as const,
  }));
  const [first] = endpoints;
  if (first === undefined) rules.push(ruleOf(layout, [drop()]));
  else {
    rules.push(choiceOf(layout, [vmap(randomBelow(choice.length), CHOICE)], choice));
    // The rule's map is emptied at the moment in which the rules are replaced; packets may be in between.
    rules.push(ruleOf(layout, [goTo(target(first))]));
  }
  return { name: affinityChain(port.name, where), rules };
}
