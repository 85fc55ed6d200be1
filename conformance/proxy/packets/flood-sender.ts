/**
 * Sends UDP packets to one address as fast as it can, each from another port, so that each is the first of a connection.
 * Run in the client's namespace; ends after the time given.
 *
 * Usage: flood-sender.ts SECONDS INTERFACE-INDEX GATEWAY-MAC SOURCE TARGET PORT
 */

import { ipToBytes, parseIp } from '../../../shared/ip/ip.ts';
import { ETH_P, openPacketSocket, sendFrame } from '../../../shared/sys/packet-socket.ts';

const [seconds, index, mac = '', source = '', target = '', port] = process.argv.slice(2);
const frame = frameTo(mac, source, target, Number(port));
// Nothing is received: an empty filter lets nothing through.
using socket = openPacketSocket(Number(index), ETH_P.IP, [{ code: 0x06, k: 0 }]);
const end = performance.now() + Number(seconds) * 1000;
let sent = 0;
while (performance.now() < end) {
  for (let burst = 0; burst < 256; burst += 1) {
    sent += 1;
    // The source's port at 34: Ethernet's header takes 14 bytes, IPv4's 20. There is no checksum that covers it.
    frame[34] = 4 + ((sent >>> 8) & 0x7f);
    frame[35] = sent;
    try {
      sendFrame(socket.fd, Number(index), frame);
    } catch {
      // No room for the moment.
    }
  }
}
process.stdout.write(`${sent}\n`);

/** Ethernet, IPv4 and UDP with eight bytes, its checksum left out (RFC 768). */
function frameTo(gateway: string, from: string, to: string, toPort: number): Uint8Array {
  const bytes = new Uint8Array(14 + 20 + 8 + 8);
  const view = new DataView(bytes.buffer);
  bytes.set(gateway.split(':').map((byte) => Number.parseInt(byte, 16)));
  view.setUint16(12, ETH_P.IP);
  bytes.set([0x45, 0], 14);
  view.setUint16(16, 36);
  bytes.set([64, 17], 22);
  bytes.set(ipToBytes(parseIp(from) ?? fail()), 26);
  bytes.set(ipToBytes(parseIp(to) ?? fail()), 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
  view.setUint16(36, toPort);
  view.setUint16(38, 16);
  return bytes;
}

function fail(): never {
  throw new Error('not an address');
}
