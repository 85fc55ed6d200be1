import { isDeepStrictEqual } from 'node:util';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import { decodeAddress, encodeAddress } from '../../../shared/netlink/codec/address.ts';
import { DecodeError } from '../../../shared/netlink/codec/decode-error.ts';
import { decodeFdb, encodeFdb } from '../../../shared/netlink/codec/fdb.ts';
import { decodeIpSetPart } from '../../../shared/netlink/codec/ipset.ts';
import {
  decodeRealServer,
  decodeVirtualServer,
  encodeRealServer,
  encodeVirtualServer,
  IPVS_CMD,
  type RealServer,
  type VirtualServer,
} from '../../../shared/netlink/codec/ipvs.ts';
import { decodeLink, encodeLink } from '../../../shared/netlink/codec/link.ts';
import { decodeError, decodeMessages, encodeMessage } from '../../../shared/netlink/codec/message.ts';
import { decodeNeighbour, encodeNeighbour } from '../../../shared/netlink/codec/neighbour.ts';
import { decodeRoute, encodeRoute } from '../../../shared/netlink/codec/route.ts';
import { decodeRule, encodeRule } from '../../../shared/netlink/codec/rule.ts';
import { decodeFilter, encodeFilter } from '../../../shared/netlink/codec/tc/filter.ts';
import { decodeQdisc, encodeQdisc } from '../../../shared/netlink/codec/tc/qdisc.ts';
import { EVERY_PACKET } from '../../../shared/netlink/codec/tc/u32.ts';
import type { Random } from '../../testing/random.ts';
import { decodeGuarded } from '../guarded-bytes.ts';
import { mutateAttributes } from '../mutate-attributes.ts';
import { must, type Target, target } from '../target.ts';

/** A kind of netlink message: valid payloads, the size of its fixed header, and its codec. */
interface Kind {
  readonly name: string;
  readonly header: number;
  readonly seeds: readonly Uint8Array[];
  readonly decode: (payload: Uint8Array) => unknown;
  /** Undefined for what is only ever received. */
  readonly encode?: (decoded: never) => Uint8Array;
}

const ip4 = parseIp('10.1.2.3')!;
const ip6 = parseIp('fd00::5')!;
const net4 = parseCidr('10.1.2.0/24')!;
const net6 = parseCidr('fd00:1::/64')!;
const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
const unknown = [{ type: 60, nested: true, payload: Uint8Array.of(8, 0, 1, 0, 9, 9, 9, 9) }];

/** Sizes: struct ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr, tcmsg of linux/rtnetlink.h and its neighbours. */
const kinds: readonly Kind[] = [
  {
    name: 'link',
    header: 16,
    seeds: [
      encodeLink({ name: 'eth0', mac, mtu: 1500, alias: 'underpod:net/c0ffee/eth0', flags: 1, unknown }),
      encodeLink({ name: 'cni0', kind: { kind: 'bridge', stp: 0 } as never }),
      encodeLink({
        name: 'veth0',
        master: 4,
        kind: { kind: 'veth', peer: { name: 'eth0', netnsFd: 9 } } as never,
      }),
      encodeLink({ name: 'flannel.1', kind: { kind: 'vxlan', vni: 1, port: 8472, local: ip4 } as never }),
    ],
    decode: decodeLink,
    encode: encodeLink,
  },
  {
    name: 'address',
    header: 8,
    seeds: [
      encodeAddress({ index: 3, address: { ip: ip4, prefix: 24 }, unknown }),
      encodeAddress({ index: 3, address: { ip: ip6, prefix: 64 } }),
    ],
    decode: decodeAddress,
    encode: encodeAddress,
  },
  {
    name: 'route',
    header: 12,
    seeds: [
      encodeRoute({ destination: net4, gateway: ip4, oif: 3, priority: 10, metrics: { mtu: 1450 }, unknown }),
      encodeRoute({ destination: net6, oif: 3, table: 1000, preference: 1 }),
      encodeRoute({ destination: net4, gateway: ip6, nextHopId: 4 }),
    ],
    decode: decodeRoute,
    encode: encodeRoute,
  },
  {
    name: 'neighbour',
    header: 12,
    seeds: [
      encodeNeighbour({ index: 3, ip: ip4, mac, probes: 2, unknown }),
      encodeNeighbour({ index: 3, ip: ip6 }),
    ],
    decode: decodeNeighbour,
    encode: encodeNeighbour,
  },
  {
    name: 'fdb',
    header: 12,
    seeds: [encodeFdb({ index: 3, mac, ip: ip4 } as never)],
    decode: decodeFdb,
    encode: encodeFdb,
  },
  {
    name: 'rule',
    header: 12,
    seeds: [encodeRule({ family: 4, table: 1000, priority: 5, mark: 1 } as never), encodeRule({ family: 6 })],
    decode: decodeRule,
    encode: encodeRule,
  },
  {
    name: 'qdisc',
    header: 20,
    seeds: [
      encodeQdisc({
        index: 3,
        handle: 0x10000,
        parent: 0xffff_ffff,
        options: {
          kind: 'tbf',
          rate: { rate: 1_000_000 },
          limit: 35_000,
          buffer: 156_250,
          rate64: 5n,
          unknown,
        },
      }),
      encodeQdisc({
        index: 3,
        handle: 0,
        parent: 0xffff_ffff,
        options: { kind: 'other', name: 'noqueue' },
        unknown,
      }),
    ],
    decode: decodeQdisc,
    encode: encodeQdisc,
  },
  {
    name: 'filter',
    header: 20,
    seeds: [
      encodeFilter({
        index: 3,
        handle: 0,
        parent: 0xffff_0000,
        priority: 1,
        protocol: 3,
        options: {
          kind: 'u32',
          classId: 0x10001,
          actions: [{ kind: 'mirred', target: 4, way: 1, verdict: 4, unknown, actionUnknown: unknown }],
          selector: EVERY_PACKET,
          unknown,
        },
        unknown,
      }),
    ],
    decode: decodeFilter,
    encode: encodeFilter,
  },
  {
    name: 'virtual server',
    // genlmsghdr.
    header: 4,
    seeds: [
      encodeVirtualServer(IPVS_CMD.NEW_SERVICE, { ...virtual(ip4), prefix: 32 }),
      encodeVirtualServer(IPVS_CMD.NEW_SERVICE, { ...virtual(ip6), prefix: 128 }),
    ],
    decode: decodeVirtualServer,
    encode: (server: VirtualServer) => encodeVirtualServer(IPVS_CMD.NEW_SERVICE, server),
  },
  {
    name: 'real server',
    header: 4,
    seeds: [ip4, ip6].map((address) =>
      encodeRealServer(IPVS_CMD.NEW_DEST, virtual(address), { address, port: 80, weight: 1 }),
    ),
    decode: (payload) => decodeRealServer(payload, 4),
    encode: (server: RealServer) =>
      encodeRealServer(IPVS_CMD.NEW_DEST, { address: ip4, port: 80, protocol: 6 }, server),
  },
  {
    name: 'set',
    // nfgenmsg.
    header: 4,
    seeds: [setPart()],
    decode: decodeIpSetPart,
  },
  {
    name: 'acknowledgement',
    // nlmsghdr, the errno, and the header of the request that it echoes.
    header: 36,
    seeds: [acknowledgement()],
    decode: (datagram) => decodeMessages(datagram).map(decodeError),
  },
];

/** Mutated messages of the kernel. */
export const netlink: Target = target<{ kind: Kind; payload: Uint8Array }>({
  name: 'netlink',
  generate: (random) => {
    const kind = random.pick(kinds);
    return { kind, payload: mutated(kind, random) };
  },
  seeds: kinds.flatMap((kind) => kind.seeds.map((payload) => ({ kind, payload }))),
  changed: ({ payload }) => payload.toHex(),
  judge: ({ kind, payload }) => {
    // First for reads beside the bytes only: they throw RangeError. What it gives is made of guarded bytes itself.
    orRefused(() => decodeGuarded(kind.decode, payload));
    const decoded = orRefused(() => kind.decode(payload));
    if (decoded === undefined) return 'refused';
    if (kind.encode === undefined) return 'accepted';
    const again = kind.decode(kind.encode(decoded as never));
    must(
      isDeepStrictEqual(again, kind.decode(kind.encode(again as never))),
      'encoding keeps what decoding gave',
    );
    return 'accepted';
  },
  describe: ({ kind, payload }) => `${kind.name} ${payload.toHex()}`,
});

function mutated(kind: Kind, random: Random): Uint8Array {
  let payload = random.pick(kind.seeds);
  for (let count = 1 + random.below(3); count > 0; count--)
    payload = mutateAttributes(payload, kind.header, random);
  return payload;
}

/** Undefined when the decoder refuses the bytes as it promises to. */
export function orRefused<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function virtual(address: Ip): Omit<VirtualServer, 'prefix'> {
  return { address, protocol: 6, port: 80, scheduler: 'rr', flags: 1, timeout: 60 };
}

/** A listed set of one network, as the kernel writes it. */
function setPart(): Uint8Array {
  return Uint8Array.fromHex(
    '020000000500010007000000080002005352430015000300686173683a69702c706f72742c6e657400000000' +
      '050005000200000005000400080000003c0007800800124000000400080013400001000005001500' +
      '0c000000080011405466a249080019400000000008001a40000002080800184000000001' +
      '38000880340007800c00018008000100c00002010c001480080001000a000000' +
      '060004400050000005001500080000000500070006000000',
  );
}

/** EINVAL with a sentence and an offset, as the kernel writes it (NLM_F_CAPPED and NLM_F_ACK_TLVS). */
function acknowledgement(): Uint8Array {
  const text = new TextEncoder().encode('Invalid prefix\0\0');
  const payload = new Uint8Array(20 + 4 + text.length + 8);
  const view = new DataView(payload.buffer);
  view.setInt32(0, -22, true);
  view.setUint32(4, 16, true);
  view.setUint16(20, 4 + text.length - 1, true);
  view.setUint16(22, 1, true);
  payload.set(text, 24);
  view.setUint16(24 + text.length, 8, true);
  view.setUint16(26 + text.length, 2, true);
  view.setUint32(28 + text.length, 28, true);
  return encodeMessage({ type: 2, flags: 0x300, seq: 1, pid: 7, payload });
}
