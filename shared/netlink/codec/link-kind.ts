import type { Attribute } from './attributes.ts';
import type { BridgeKind } from './link-kinds/bridge.ts';
import type { VethKind } from './link-kinds/veth.ts';
import type { VxlanKind } from './link-kinds/vxlan.ts';

/** A kind without a codec of its own, such as dummy or ifb; its options are kept as bytes. */
export interface OtherKind {
  readonly kind: 'other';
  /** IFLA_INFO_KIND, up to 15 bytes: 'dummy'. */
  readonly name: string;
  readonly data?: Uint8Array;
  readonly unknown?: readonly Attribute[];
}

export type LinkKind = VethKind | BridgeKind | VxlanKind | OtherKind;
