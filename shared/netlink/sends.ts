import { HEADER_SIZE } from './codec/message.ts';
import type { NetlinkRequest } from './request.ts';
import type { BufferSizes, Transport } from './transport.ts';

/** A run of requests, `from` inclusive to `to` exclusive, that one send takes. */
export interface Send {
  readonly from: number;
  readonly to: number;
  /** Size of the datagram. */
  readonly bytes: number;
}

/**
 * What one acknowledgement counts against the receive buffer, at most: the kernel charges the whole sk_buff. 768 bytes
 * were measured without a message, 1,280 with one (kernel 6.18).
 */
const ACK_SPACE = 2048;
/** The same for a request that is answered with an object: the longest seen, a link's, is below 4 kB. */
const REPLY_SPACE = 16_384;
/** netlink_sendmsg wants the datagram this much smaller than the send buffer (net/netlink/af_netlink.c). */
const SEND_MARGIN = 32;

/** A batch this small fits in the buffers that a socket has from the start; half of Linux' default of 212,992. */
const SMALL = 106_496;
/** No more than this is asked for; what is longer is split. */
const MOST_SENT = 1 << 20;
const MOST_RECEIVED = 8 << 20;

/** Room for a datagram and its answers, as far as the socket may have it. */
export function makeRoom(transport: Transport, bytes: number, answers: number): BufferSizes {
  if (isSmall(bytes, answers)) return { send: SMALL, receive: SMALL };
  return transport.reserve(bytes + SEND_MARGIN, answers);
}

/** How much of the receive buffer the acknowledgements of some messages can take. */
export function answerSpaceOf(count: number): number {
  return Math.min(count * ACK_SPACE, MOST_RECEIVED);
}

/** Divides requests into sends such that neither they nor their answers overflow the socket's buffers. */
export function planSends(requests: readonly NetlinkRequest[], transport: Transport): Send[] {
  let total = 0;
  let wanted = 0;
  for (const request of requests) {
    total += sizeOf(request);
    wanted += spaceOf(request);
  }
  if (isSmall(total, wanted))
    return requests.length === 0 ? [] : [{ from: 0, to: requests.length, bytes: total }];
  const room = makeRoom(transport, Math.min(total, MOST_SENT), Math.min(wanted, MOST_RECEIVED));
  const sends: Send[] = [];
  let from = 0;
  let bytes = 0;
  let answers = 0;
  requests.forEach((request, i) => {
    const size = sizeOf(request);
    const space = spaceOf(request);
    const full = bytes + size + SEND_MARGIN > room.send || answers + space > room.receive;
    if (full && i > from) {
      sends.push({ from, to: i, bytes });
      from = i;
      bytes = 0;
      answers = 0;
    }
    bytes += size;
    answers += space;
  });
  if (requests.length > from) sends.push({ from, to: requests.length, bytes });
  return sends;
}

function isSmall(bytes: number, answers: number): boolean {
  return bytes + SEND_MARGIN <= SMALL && answers <= SMALL;
}

function sizeOf(request: NetlinkRequest): number {
  return HEADER_SIZE + ((request.payload.length + 3) & ~3);
}

function spaceOf(request: NetlinkRequest): number {
  return request.replies === true ? REPLY_SPACE : ACK_SPACE;
}
