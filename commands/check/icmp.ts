/** ICMP echo messages: RFC 792, RFC 4443. Pure. */

const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;
/** Bytes of the header of an echo message. */
export const ECHO_HEADER = 8;

export interface Echo {
  /** 16 bits each. */
  readonly id: number;
  readonly sequence: number;
}

/** A request with that many bytes behind its header. ICMPv6's checksum is the kernel's to fill in. */
export function encodeEcho(family: 4 | 6, { id, sequence }: Echo, payload: number): Uint8Array {
  const bytes = new Uint8Array(ECHO_HEADER + payload);
  const view = new DataView(bytes.buffer);
  bytes[0] = REQUEST[family];
  view.setUint16(4, id);
  view.setUint16(6, sequence);
  if (family === 4) view.setUint16(2, checksum(bytes));
  return bytes;
}

/** What a raw socket received; `undefined` for anything but an echo reply. IPv4's comes with its IP header. */
export function decodeReply(family: 4 | 6, bytes: Uint8Array): Echo | undefined {
  const start = family === 4 ? ((bytes[0] ?? 0) & 0x0f) * 4 : 0;
  if (bytes.length < start + ECHO_HEADER || bytes[start] !== REPLY[family] || bytes[start + 1] !== 0)
    return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start);
  return { id: view.getUint16(4), sequence: view.getUint16(6) };
}

/** RFC 1071. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
