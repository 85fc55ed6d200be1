import { type Attribute, parseAttributes } from './attributes.ts';
import { type BridgePort, readBridgePort, writeBridgePort } from './bridge-port.ts';
import type { LinkSpec } from './link.ts';
import { type BridgeKind, readBridge, writeBridge } from './link-kinds/bridge.ts';
import { readVeth, type VethKind, writeVeth } from './link-kinds/veth.ts';
import { readVxlan, type VxlanKind, writeVxlan } from './link-kinds/vxlan.ts';
import { text } from './read.ts';
import type { ByteWriter } from './wire.ts';

/** A kind without a codec of its own, such as dummy or ifb; its options are kept as bytes. */
export interface OtherKind {
  readonly kind: 'other';
  /** IFLA_INFO_KIND: 'dummy'. */
  readonly name: string;
  /** The content of IFLA_INFO_DATA. */
  readonly data?: Uint8Array;
}

/** A new kind is a file in link-kinds/, a member here, and a case in `writeKind` and `readKind`. */
export type LinkKind = VethKind | BridgeKind | VxlanKind | OtherKind;

/** What lies in the nest IFLA_LINKINFO. */
export interface LinkInfo {
  readonly kind?: LinkKind;
  readonly port?: BridgePort;
  readonly unknown: readonly Attribute[];
}

/** Attributes IFLA_INFO_* of linux/if_link.h. */
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;

/** The kind that `ip link set … type bridge_slave` sends where the kernel itself says SLAVE_KIND "bridge". */
const PORT_ALIAS = 'bridge_slave';

/** Writes the content of IFLA_LINKINFO. */
export function writeLinkInfo(
  writer: ByteWriter,
  kind: LinkKind | undefined,
  port: BridgePort | undefined,
  unknown: readonly Attribute[],
  writeLink: (writer: ByteWriter, link: LinkSpec) => void,
): void {
  if (kind !== undefined) writeKind(writer, kind, writeLink);
  if (port !== undefined) {
    if (kind?.kind !== 'other' || kind.name !== PORT_ALIAS) writer.attrText(INFO.SLAVE_KIND, 'bridge');
    const start = writer.beginNest(INFO.SLAVE_DATA);
    writeBridgePort(writer, port);
    writer.endNest(start);
  }
  writer.attributes(unknown);
}

/**
 * Reads the content of IFLA_LINKINFO.
 * @param readLink reads the peer of a veth pair; undefined leaves it as bytes
 * @param ports whether options of bridge ports are read; messages of family AF_BRIDGE have them elsewhere
 * @throws DecodeError
 */
export function readLinkInfo(
  bytes: Uint8Array,
  readLink: ((bytes: Uint8Array) => LinkSpec) | undefined,
  ports: boolean,
): LinkInfo {
  const attributes = parseAttributes(bytes);
  const find = (type: number): Uint8Array | undefined => attributes.find((one) => one.type === type)?.payload;
  const kindName = find(INFO.KIND);
  const data = find(INFO.DATA);
  const slaveKind = find(INFO.SLAVE_KIND);
  const slaveData = find(INFO.SLAVE_DATA);

  const kind = kindName === undefined ? undefined : readKind(text(kindName), data, readLink);
  const isPort =
    slaveKind === undefined
      ? kind?.kind === 'other' && kind.name === PORT_ALIAS
      : text(slaveKind) === 'bridge';
  const port = ports && isPort && slaveData !== undefined ? readBridgePort(slaveData) : undefined;
  const unknown = attributes.filter(({ type }) => {
    if (type === INFO.KIND) return false;
    if (type === INFO.DATA) return kind === undefined;
    return port === undefined || (type !== INFO.SLAVE_KIND && type !== INFO.SLAVE_DATA);
  });
  return { ...(kind === undefined ? {} : { kind }), ...(port === undefined ? {} : { port }), unknown };
}

function writeKind(
  writer: ByteWriter,
  kind: LinkKind,
  writeLink: (writer: ByteWriter, link: LinkSpec) => void,
): void {
  writer.attrText(INFO.KIND, kind.kind === 'other' ? kind.name : kind.kind);
  if (kind.kind === 'other') {
    if (kind.data !== undefined) writer.attr(INFO.DATA, kind.data);
    return;
  }
  const start = writer.beginNest(INFO.DATA);
  switch (kind.kind) {
    case 'veth':
      writeVeth(writer, kind, writeLink);
      break;
    case 'bridge':
      writeBridge(writer, kind);
      break;
    case 'vxlan':
      writeVxlan(writer, kind);
      break;
    default:
      kind satisfies never;
  }
  writer.endNest(start);
}

function readKind(
  name: string,
  data: Uint8Array | undefined,
  readLink: ((bytes: Uint8Array) => LinkSpec) | undefined,
): LinkKind {
  const attributes = (): Attribute[] => (data === undefined ? [] : parseAttributes(data));
  switch (name) {
    case 'veth':
      return readVeth(attributes(), readLink);
    case 'bridge':
      return readBridge(attributes());
    case 'vxlan':
      return readVxlan(attributes());
    default:
      return data === undefined ? { kind: 'other', name } : { kind: 'other', name, data };
  }
}
