import type { Attribute } from '../attributes.ts';
import type { LinkSpec } from '../link.ts';

/** A virtual Ethernet pair. */
export interface VethKind {
  readonly kind: 'veth';
  /** In a request: the other end, with its own name, MAC, MTU and namespace. The kernel never tells it back. */
  readonly peer?: LinkSpec;
  readonly unknown?: readonly Attribute[];
}
