/** What the kernel's multicast groups report, cut down to what decides whether the agent has to look. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { Family } from '../../../shared/nftables/model/family.ts';

export type KernelEvent =
  /** A link appeared, changed or went. */
  | { readonly kind: 'link'; readonly index: number; readonly name: string }
  | { readonly kind: 'address'; readonly index: number; readonly family: 4 | 6 }
  /** Neighbour or forwarding entry. */
  | { readonly kind: 'neighbour'; readonly index: number }
  /** Of any table but `local`. `device` is 0 for routes without one and for those with several. */
  | { readonly kind: 'route'; readonly destination: Cidr; readonly device: number; readonly protocol: number }
  /** A table, or a chain or rule in one. */
  | {
      readonly kind: 'nftables';
      readonly family: Family;
      readonly table: string;
      readonly chain?: string;
      /** A chain with a hook was made or changed. */
      readonly isBaseChain?: true;
    }
  /** The switch for forwarding or the source check of one interface, or, with index -1, of all of them. */
  | { readonly kind: 'forwarding'; readonly family: 4 | 6; readonly index: number }
  /** Events were lost: look at everything. */
  | { readonly kind: 'overrun' }
  /** No more events will come from this watch. */
  | { readonly kind: 'deaf'; readonly error: unknown };
