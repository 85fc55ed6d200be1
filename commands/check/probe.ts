/** Asks peers by ICMP echo, all at once: through the tunnel with a small and a full packet, and beside it. */

import { type Ip, ipToBytes } from '../../shared/ip/ip.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import { openIcmpSocket, sendIcmp } from '../../shared/sys/icmp-socket.ts';
import { receive, waitAnyReadable } from '../../shared/sys/socket.ts';
import { decodeReply, ECHO_HEADER, encodeEcho } from './icmp.ts';

export interface Question {
  readonly to: Ip;
  /** Bytes of the whole IP packet; 0: a small one. */
  readonly size: number;
}

/** Bytes of payload in a small packet. */
const SMALL = 16;
const IP_HEADER = { 4: 20, 6: 40 } as const;
/** So many are sent before looking for answers: their replies fit into a socket's buffer. */
const BURST = 64;

/**
 * Tells which of them were answered within the time. Blocks the thread: for a command that does nothing else.
 *
 * @throws SyscallError EPERM without the right to raw sockets
 */
export function ask(questions: readonly Question[], timeoutMs: number): boolean[] {
  const answered = questions.map(() => false);
  const id = process.pid & 0xffff;
  using stack = new DisposableStack();
  const families = ([4, 6] as const).filter((family) => questions.some(({ to }) => to.family === family));
  const sockets = families.map((family) => ({ family, socket: stack.use(openIcmpSocket(family)) }));
  const buffer = new Uint8Array(65_536);
  let open = questions.length;
  const collect = (waitMs: number): void => {
    const fd = waitAnyReadable(
      sockets.map(({ socket }) => socket.fd),
      waitMs,
    );
    const from = sockets.find(({ socket }) => socket.fd === fd);
    if (fd === undefined || !from) return;
    for (;;) {
      try {
        const reply = decodeReply(from.family, buffer.subarray(0, receive(fd, buffer)));
        if (reply?.id !== id || answered[reply.sequence] !== false) continue;
        answered[reply.sequence] = true;
        open -= 1;
      } catch (error) {
        // What the way says against a packet is told as an error of the socket.
        if (isErrno(error, 'EAGAIN')) return;
      }
    }
  };
  for (const [sequence, { to, size }] of questions.entries()) {
    const socket = sockets.find(({ family }) => family === to.family)?.socket;
    const payload = size === 0 ? SMALL : Math.max(SMALL, size - IP_HEADER[to.family] - ECHO_HEADER);
    if (!socket || !sendIcmp(socket.fd, ipToBytes(to), encodeEcho(to.family, { id, sequence }, payload)))
      open -= 1;
    if (sequence % BURST === BURST - 1) collect(0);
  }
  const end = performance.now() + timeoutMs;
  while (open > 0 && performance.now() < end) collect(end - performance.now());
  return answered;
}
