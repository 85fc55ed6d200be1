/** Tells systemd how the service is doing (sd_notify(3)); does nothing where it did not start us. */

import { sendUnixDatagram } from './unix-datagram.ts';

/** `READY=1` and the like, to the socket that NOTIFY_SOCKET names. @throws SyscallError */
export function sdNotify(state: string, socket: string | undefined = process.env['NOTIFY_SOCKET']): void {
  // Of other forms (vsock:…) a virtual machine would make use.
  if (!socket?.startsWith('/') && !socket?.startsWith('@')) return;
  sendUnixDatagram(socket, new TextEncoder().encode(state));
}
