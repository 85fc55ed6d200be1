/** Whether this node is one of those that are asked for. Pure. */

import type { Topology, TopologyRequirement } from '#messages/csi';
import { TOPOLOGY_KEY } from '../topology-key.ts';

/** True where nothing is required, or this node is among what is. Other drivers' keys say nothing about us. */
export function isHere(requirement: TopologyRequirement | undefined, node: string): boolean {
  const { requisite = [], preferred = [] } = requirement ?? {};
  const named = requisite.length > 0 ? requisite : preferred;
  return named.length === 0 || named.some((topology) => matches(topology, node));
}

/** True for a topology that this node is part of. */
export function matches({ segments }: Topology, node: string): boolean {
  const ours = segments[TOPOLOGY_KEY];
  return ours === undefined ? Object.keys(segments).length === 0 : ours === node;
}
