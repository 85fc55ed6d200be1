/** What the kernel holds, as far as the agent looks at it. */

import type { Address } from '../../../shared/netlink/codec/address.ts';
import type { FdbEntry } from '../../../shared/netlink/codec/fdb.ts';
import type { Link } from '../../../shared/netlink/codec/link.ts';
import type { Neighbour } from '../../../shared/netlink/codec/neighbour.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';

/** Links, addresses and the main table's routes of a network namespace; neighbours and FDB of some devices only. */
export interface ObservedNetwork {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly Neighbour[];
  readonly fdb: readonly FdbEntry[];
}

/** The link of a name. */
export function linkNamed(observed: Pick<ObservedNetwork, 'links'>, name: string): Link | undefined {
  return observed.links.find((link) => link.name === name);
}
