import type { Attribute } from './attributes.ts';
import type { BridgePort } from './bridge-port.ts';
import type { BridgeVlan } from './bridge-vlan.ts';
import type { LinkKind } from './link-kind.ts';

/** Bits of ifi_flags, linux/if.h. */
export const IFF = {
  UP: 0x1,
  BROADCAST: 0x2,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  RUNNING: 0x40,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
  MASTER: 0x400,
  SLAVE: 0x800,
  MULTICAST: 0x1000,
  LOWER_UP: 0x10000,
  DORMANT: 0x20000,
} as const;

/** A network interface as the kernel tells it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Bits of IFF. When sent, only those in `changeMask` count. */
  readonly flags: number;
  /** Bits of `flags` to change. */
  readonly changeMask: number;
  /** AF.UNSPEC, or AF.BRIDGE in messages about bridge ports. */
  readonly family: number;
  /** ARPHRD_* of linux/if_arp.h: 1 Ethernet, 772 loopback. */
  readonly hardwareType: number;
  readonly mac?: Uint8Array;
  readonly broadcast?: Uint8Array;
  /** Bytes. */
  readonly mtu?: number;
  /** IFLA_LINK: index of the lower device, or of the other end of a veth pair. */
  readonly parent?: number;
  /** Namespace that `parent` is counted in, when it is another one. */
  readonly parentNetnsId?: number;
  /** Index of the bridge (or bond, VRF) that it is a port of; 0 in a request takes it out. */
  readonly master?: number;
  /** Up to 255 bytes of free text. */
  readonly alias?: string;
  /** Packets. */
  readonly txQueueLength?: number;
  readonly txQueues?: number;
  readonly rxQueues?: number;
  readonly group?: number;
  /** RFC 2863 state: 6 is up, 2 down, 0 unknown. */
  readonly operState?: number;
  /** IFLA_LINKMODE: 0 default, 1 dormant. */
  readonly linkMode?: number;
  readonly carrier?: number;
  readonly promiscuity?: number;
  /** In a request: descriptor of the namespace to create it in or move it to. */
  readonly netnsFd?: number;
  /** In a request: a process of that namespace. */
  readonly netnsPid?: number;
  /** IFLA_EXT_MASK: bits of RTEXT_FILTER, in requests. */
  readonly extMask?: number;
  /** What the interface is: veth, bridge, vxlan, …. */
  readonly kind?: LinkKind;
  /** Its options as a port of a bridge. */
  readonly port?: BridgePort;
  /** Its VLANs as a port of a bridge (family AF.BRIDGE). */
  readonly vlans?: readonly BridgeVlan[];
  readonly unknown?: readonly Attribute[];
}

/** What a request says about a link; every part that is left out stays as it is or takes the kernel's default. */
export type LinkSpec = Partial<Link>;

export function encodeLink(spec: LinkSpec): Uint8Array {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(spec))}`);
}

export function decodeLink(bytes: Uint8Array): Link {
  throw new Error(`not built yet: ${JSON.stringify(Object.keys(bytes))}`);
}
