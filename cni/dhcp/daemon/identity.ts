/** What an attachment is called by the server, and on the disk. Pure. */

import type { DhcpTarget } from '../../protocol/dhcp-daemon.ts';

type Key = Pick<DhcpTarget, 'network' | 'containerId' | 'ifname'>;

/** Upstream's daemon cuts its text here, so that type and text fit into one option. */
const MOST = 254;

/**
 * Option 61: type 0, "no hardware address" (RFC 2132 section 9.14), and the text that upstream's daemon uses, so that a
 * server gives a pod the same address again whichever daemon asks.
 */
export function clientId({ network, containerId, ifname }: Key): Uint8Array {
  const text = new TextEncoder().encode(`${containerId}/${network}/${ifname}`).subarray(0, MOST);
  const id = new Uint8Array(1 + text.length);
  id.set(text, 1);
  return id;
}

/** A name of hex digits, one for each attachment. */
export function leaseName({ network, containerId, ifname }: Key): string {
  return Bun.CryptoHasher.hash('sha256', `${network}\0${containerId}\0${ifname}`, 'hex').slice(0, 32);
}
