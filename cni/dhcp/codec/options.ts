/** What options say. A reader gives undefined where the option is missing or of a wrong length. Pure. */

import type { Cidr } from '../../../shared/ip/cidr.ts';
import { networkOf } from '../../../shared/ip/cidr.ts';
import type { Ip } from '../../../shared/ip/ip.ts';
import { ipFromBytes, ipToBytes } from '../../../shared/ip/ip.ts';
import type { DhcpMessage, DhcpOption } from './message.ts';
import { OPTION } from './option-codes.ts';

type WithOptions = Pick<DhcpMessage, 'options'>;

/** A route of options 33 and 121. */
export interface OptionRoute {
  readonly destination: Cidr;
  /** 0.0.0.0 in option 121: the destination is on the link itself (RFC 3442). */
  readonly router: Ip;
}

export function optionOf({ options }: WithOptions, code: number): Uint8Array | undefined {
  return options.find((option) => option.code === code)?.data;
}

/** Option 53; undefined for a message of BOOTP. */
export function messageType(message: WithOptions): number | undefined {
  const data = optionOf(message, OPTION.MESSAGE_TYPE);
  return data?.length === 1 ? data[0] : undefined;
}

/** The first address of an option that holds one or several. */
export function readIp(message: WithOptions, code: number): Ip | undefined {
  const data = optionOf(message, code);
  return data && data.length >= 4 ? ipFromBytes(data.subarray(0, 4)) : undefined;
}

export function readU32(message: WithOptions, code: number): number | undefined {
  const data = optionOf(message, code);
  if (data?.length !== 4) return undefined;
  return new DataView(data.buffer, data.byteOffset, 4).getUint32(0);
}

/** Text as people wrote it, for a log: what is not printable becomes a question mark. */
export function readText(message: WithOptions, code: number): string | undefined {
  const data = optionOf(message, code);
  return data && new TextDecoder('latin1').decode(data).replace(/[^ -~]/g, '?');
}

/** Option 1 as a prefix length; undefined too for a mask with holes. */
export function readPrefix(message: WithOptions): number | undefined {
  const mask = readU32(message, OPTION.SUBNET_MASK);
  if (mask === undefined) return undefined;
  const prefix = Math.clz32(~mask);
  return prefix === 32 || (mask << prefix) >>> 0 === 0 ? prefix : undefined;
}

/** Option 33: pairs of a network of the old classes and a router. What is left over at the end is ignored. */
export function readStaticRoutes(message: WithOptions): OptionRoute[] {
  const data = optionOf(message, OPTION.STATIC_ROUTES) ?? new Uint8Array();
  const routes: OptionRoute[] = [];
  for (let at = 0; at + 8 <= data.length; at += 8) {
    const ip = ipFromBytes(data.subarray(at, at + 4));
    const prefix = classOf(data[at] ?? 0);
    if (prefix === undefined) continue;
    routes.push({ destination: { ip, prefix }, router: ipFromBytes(data.subarray(at + 4, at + 8)) });
  }
  return routes;
}

/** RFC 791's classes by the first byte; multicast and beyond have no mask. */
function classOf(first: number): number | undefined {
  if (first < 128) return 8;
  if (first < 192) return 16;
  return first < 224 ? 24 : undefined;
}

/** Option 121 (RFC 3442): prefix length, as many bytes of the network as it needs, router. Undefined if malformed. */
export function readClasslessRoutes(message: WithOptions): OptionRoute[] | undefined {
  const data = optionOf(message, OPTION.CLASSLESS_ROUTES);
  if (!data) return undefined;
  const routes: OptionRoute[] = [];
  for (let at = 0; at < data.length; ) {
    const prefix = data[at++] ?? 0;
    const significant = Math.ceil(prefix / 8);
    if (prefix > 32 || at + significant + 4 > data.length) return undefined;
    const bytes = new Uint8Array(4);
    bytes.set(data.subarray(at, at + significant));
    at += significant;
    routes.push({
      destination: networkOf({ ip: ipFromBytes(bytes), prefix }),
      router: ipFromBytes(data.subarray(at, at + 4)),
    });
    at += 4;
  }
  return routes;
}

export function ipOption(code: number, ip: Ip): DhcpOption {
  return { code, data: ipToBytes(ip) };
}

export function byteOption(code: number, ...bytes: number[]): DhcpOption {
  return { code, data: Uint8Array.from(bytes) };
}

/** `later` over `earlier`: servers may leave out of a renewal what they said before. */
export function mergeOptions(
  earlier: readonly DhcpOption[],
  later: readonly DhcpOption[],
): readonly DhcpOption[] {
  const codes = new Set(later.map(({ code }) => code));
  return [...later, ...earlier.filter(({ code }) => !codes.has(code))];
}
