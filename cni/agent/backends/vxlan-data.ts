/** What a VXLAN node tells its peers: flannel's `{"VNI":1,"VtepMAC":"0a:…"}`. */

import { formatMac, parseMac } from '../../../shared/ip/mac.ts';
import type { Json } from '../../../shared/store/registry.ts';

export interface VxlanData {
  /** Absent in what old versions of flannel published. */
  readonly vni?: number;
  readonly mac: Uint8Array;
}

/** The published form. */
export function vxlanData(vni: number, mac: Uint8Array): Json {
  return { VNI: vni, VtepMAC: formatMac(mac) };
}

/** Reads what a peer published; `undefined` where no frame can be addressed with it. */
export function parseVxlanData(data: unknown): VxlanData | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { VNI: vni, VtepMAC: text } = data as { readonly VNI?: unknown; readonly VtepMAC?: unknown };
  const mac = typeof text === 'string' ? parseMac(text) : undefined;
  // A group address as a station's own is nothing a device can have.
  if (!mac || ((mac[0] ?? 0) & 1) !== 0 || mac.every((byte) => byte === 0)) return undefined;
  return { mac, ...(typeof vni === 'number' && { vni }) };
}

/**
 * A random station address, locally administered (IEEE 802: bit 1 of the first byte set, bit 0 clear). It is given to
 * the device when that is made: systemd-udevd changes only addresses that the kernel picked (flannel #1155, #1788).
 */
export function newVtepMac(): Uint8Array {
  const mac = crypto.getRandomValues(new Uint8Array(6));
  mac[0] = ((mac[0] ?? 0) & 0xfe) | 0x02;
  return mac;
}
