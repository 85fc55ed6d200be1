/**
 * What tuning changes of an interface, and how what it was before is written down: the file's format is upstream's, so
 * that either plugin's DEL restores what the other's ADD has changed. Pure.
 */

import { formatMac, parseMac } from '../../../shared/ip/mac.ts';
import type { JsonObject } from '../../protocol/json.ts';

/** Attributes of an interface; those that are absent are left alone. */
export interface Settings {
  readonly mac?: Uint8Array;
  readonly promisc?: boolean;
  /** Bytes. */
  readonly mtu?: number;
  readonly allmulti?: boolean;
  /** Packets. */
  readonly txQLen?: number;
}

/** True where there is anything to change. */
export function hasSettings(settings: Settings): boolean {
  for (const _ in settings) return true;
  return false;
}

/** The file's text, as Go writes it. */
export function formatSettings({ mac, promisc, mtu, allmulti, txQLen }: Settings): string {
  const saved = {
    mac: mac && mac.length > 0 ? formatMac(mac) : undefined,
    promisc,
    mtu: mtu || undefined,
    allmulti,
    txQLen,
  };
  return JSON.stringify(saved, undefined, 1);
}

/** Reads such a file. What makes no sense is left out: after a crash upstream's files may be cut off. */
export function parseSettings(text: string): Settings {
  const { mac, promisc, mtu, allmulti, txQLen } = parseObject(text);
  const bytes = typeof mac === 'string' ? parseMac(mac) : undefined;
  return {
    ...(bytes && { mac: bytes }),
    ...(typeof promisc === 'boolean' && { promisc }),
    ...(isCount(mtu) && mtu > 0 && { mtu }),
    ...(typeof allmulti === 'boolean' && { allmulti }),
    ...(isCount(txQLen) && { txQLen }),
  };
}

/** True for what the kernel takes as a number of bytes or packets: an int that is not negative. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fff_ffff;
}

function parseObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
  } catch {
    return {};
  }
}
