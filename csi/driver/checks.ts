/**
 * Checks of single fields, which every request goes through before a driver sees it. Pure.
 *
 * Sizes: spec.md of container-storage-interface/spec 1.12, "Size Limits": strings up to 128 bytes unless said otherwise, maps up
 * to 4 KiB with all keys and values, node_id up to 256 bytes. A path has the 4096 bytes of Linux (PATH_MAX).
 */

import type { CapacityRange } from '#messages/csi';
import { invalidArgument, outOfRange } from './status.ts';

export const MAX_STRING = 128;
export const MAX_MAP = 4096;
export const MAX_NODE_ID = 256;
const MAX_PATH = 4095;
/** Of a part of a path (NAME_MAX). */
const MAX_NAME = 255;

const encoder = new TextEncoder();

/** A text that must be there. @throws RpcError INVALID_ARGUMENT */
export function checkText(field: string, value: string, max: number = MAX_STRING): void {
  if (value === '') throw invalidArgument(field, 'is missing');
  checkOptionalText(field, value, max);
}

/**
 * What something is to be called: as a text, but white space is allowed (csi.proto, CreateVolumeRequest.name: "except those
 * containing the following banned characters").
 *
 * @throws RpcError INVALID_ARGUMENT
 */
export function checkName(field: string, value: string): void {
  checkText(field, value.replace(/[\t\n\r]/g, ' '));
}

/** A text that may be empty. @throws RpcError INVALID_ARGUMENT */
export function checkOptionalText(field: string, value: string, max: number = MAX_STRING): void {
  if (encoder.encode(value).length > max) throw invalidArgument(field, `is longer than ${max} bytes`);
  if (hasControls(value)) throw invalidArgument(field, 'holds control characters');
}

/** A map's keys and values together. They may hold anything but NUL. @throws RpcError INVALID_ARGUMENT */
export function checkMap(field: string, map: Readonly<Record<string, string>>): void {
  let size = 0;
  for (const [key, value] of Object.entries(map)) {
    size += encoder.encode(key).length + encoder.encode(value).length;
    if (key === '') throw invalidArgument(field, 'has an empty key');
    if (`${key}${value}`.includes('\0')) throw invalidArgument(field, `${JSON.stringify(key)} holds a NUL`);
  }
  if (size > MAX_MAP) throw invalidArgument(field, `is larger than ${MAX_MAP} bytes`);
}

/**
 * Where a volume is said to be already: compared with where it is, and never used otherwise, so that it may be anything.
 *
 * @throws RpcError INVALID_ARGUMENT
 */
export function checkKnownPath(field: string, path: string): void {
  checkText(field, path, MAX_PATH);
}

/**
 * An absolute path of the kubelet's: no `..`, which would lead elsewhere than it says, and nothing that cannot be a name.
 *
 * @throws RpcError INVALID_ARGUMENT
 */
export function checkPath(field: string, path: string): void {
  if (path === '') throw invalidArgument(field, 'is missing');
  if (encoder.encode(path).length > MAX_PATH)
    throw invalidArgument(field, `is longer than ${MAX_PATH} bytes`);
  if (!path.startsWith('/')) throw invalidArgument(field, 'is not an absolute path');
  if (hasControls(path)) throw invalidArgument(field, 'holds control characters');
  if (path.split('/').some((part) => encoder.encode(part).length > MAX_NAME))
    throw invalidArgument(field, `has a part that is longer than ${MAX_NAME} bytes`);
  if (path.split('/').includes('..')) throw invalidArgument(field, 'holds ".."');
  if (path.split('/').every((part) => part === '' || part === '.'))
    throw invalidArgument(field, 'is the root');
}

/** @throws RpcError INVALID_ARGUMENT for negative sizes, OUT_OF_RANGE where nothing lies between the bounds */
export function checkCapacityRange(field: string, range: CapacityRange | undefined): void {
  if (!range) return;
  const { requiredBytes, limitBytes } = range;
  if (requiredBytes < 0n || limitBytes < 0n) throw invalidArgument(field, 'holds a negative size');
  if (limitBytes !== 0n && limitBytes < requiredBytes)
    throw outOfRange(`${field}: limit_bytes ${limitBytes} is less than required_bytes ${requiredBytes}`);
  if (requiredBytes > BigInt(Number.MAX_SAFE_INTEGER))
    throw outOfRange(`${field}: ${requiredBytes} bytes are too many`);
}

/** @throws RpcError INVALID_ARGUMENT */
export function checkMaxEntries(value: number): void {
  if (value < 0) throw invalidArgument('max_entries', 'is negative');
}

/** C0 and C1 controls and DEL, which no name has and which would spoil a log. */
function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}
