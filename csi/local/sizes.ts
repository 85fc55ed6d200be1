/** How large a volume becomes. Pure. */

import type { CapacityRange } from '#messages/csi';
import { outOfRange } from '../driver/status.ts';

/** Sizes are multiples of it: what every file system's blocks and direct I/O fit into. */
export const GRAIN = 4096;
/** Of a volume that nobody asked a size for. */
const DEFAULT = 1024 ** 3;

/**
 * The smallest size in the range, at least `least`.
 *
 * @throws RpcError OUT_OF_RANGE where none is in the range
 */
export function sizeFor(range: CapacityRange | undefined, least: number): number {
  const minimum = Math.max(least, GRAIN);
  const required = Number(range?.requiredBytes ?? 0n);
  const limit = Number(range?.limitBytes ?? 0n);
  const wanted = required > 0 ? required : limit > 0 ? Math.min(DEFAULT, limit) : DEFAULT;
  const size = roundUp(Math.max(wanted, minimum));
  if (limit > 0 && size > limit) {
    // The grain alone may be too much where the limit is what was meant.
    const largest = Math.floor(limit / GRAIN) * GRAIN;
    if (largest >= minimum && largest >= required) return largest;
    throw outOfRange(
      `no volume of this kind is smaller than ${Math.max(minimum, roundUp(required))} bytes, and the limit is ${limit}`,
    );
  }
  return size;
}

/** True where a volume of that size is what the range asks for. */
export function isWithin(size: number, range: CapacityRange | undefined): boolean {
  const { requiredBytes = 0n, limitBytes = 0n } = range ?? {};
  return BigInt(size) >= requiredBytes && (limitBytes === 0n || BigInt(size) <= limitBytes);
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / GRAIN) * GRAIN;
}
