/** Chains, sets and verdicts that belong to one service port. */

import type { Element } from '../../../shared/nftables/model/element.ts';
import type { NftSet } from '../../../shared/nftables/model/set.ts';
import type { ChainSpec } from './chain-spec.ts';
import type { TreatmentsName } from './layout.ts';

export interface OwnSet {
  readonly set: NftSet;
  /** Absent: the kernel fills it. */
  readonly ranges?: readonly Element[];
}

export interface OwnTreatment {
  readonly map: TreatmentsName;
  /** As `encodeValue` gives it. */
  readonly value: number;
  /** The chain that it leads to. */
  readonly target: string;
}

export interface Objects {
  readonly sets: readonly OwnSet[];
  readonly chains: readonly ChainSpec[];
  readonly treatments: readonly OwnTreatment[];
}

export const NO_OBJECTS: Objects = { sets: [], chains: [], treatments: [] };
