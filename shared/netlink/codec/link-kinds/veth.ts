import type { Attribute } from '../attributes.ts';
import type { LinkSpec } from '../link.ts';
import type { ByteWriter } from '../wire.ts';

/** A virtual Ethernet pair. */
export interface VethKind {
  readonly kind: 'veth';
  /** In a request: the other end, with its own name, MAC, MTU and namespace. The kernel never tells it back. */
  readonly peer?: LinkSpec;
  readonly unknown?: readonly Attribute[];
}

/** VETH_INFO_PEER of linux/veth.h: a link message without its netlink header. */
const PEER = 1;

/** Writes the content of IFLA_INFO_DATA; `writeLink` writes the peer, which is a link of its own. */
export function writeVeth(
  writer: ByteWriter,
  veth: VethKind,
  writeLink: (writer: ByteWriter, link: LinkSpec) => void,
): void {
  if (veth.peer !== undefined) {
    const start = writer.beginNest(PEER);
    writeLink(writer, veth.peer);
    writer.endNest(start);
  }
  writer.attributes(veth.unknown);
}

/** @param readLink reads the peer; left out for a link that is a peer itself, whose own peer stays in `unknown` */
export function readVeth(
  attributes: readonly Attribute[],
  readLink: ((bytes: Uint8Array) => LinkSpec) | undefined,
): VethKind {
  let peer: LinkSpec | undefined;
  const unknown: Attribute[] = [];
  for (const attribute of attributes) {
    if (attribute.type === PEER && readLink !== undefined) peer = readLink(attribute.payload);
    else unknown.push(attribute);
  }
  return {
    kind: 'veth',
    ...(peer === undefined ? {} : { peer }),
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}
