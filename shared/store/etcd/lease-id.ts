/**
 * Lease ids that tell whose they are. etcd lets the client choose them, and flannel's layout has no other place for a node's
 * identity: by it a node finds its own subnet again after its address changed. Pure.
 */

/** An instance has this many: a lease of another length than before needs another id. */
export const IDS_PER_INSTANCE = 256n;

/** A positive 63-bit number whose low byte is zero: the first of the instance's ids. */
export function leaseIdsOf(instance: string): bigint {
  const digest = Bun.CryptoHasher.hash('sha256', instance) as Uint8Array;
  let id = 0n;
  for (let index = 0; index < 8; index++) id = (id << 8n) | BigInt(digest[index] as number);
  // 0 would ask etcd to choose one.
  return id & 0x7fff_ffff_ffff_ff00n || IDS_PER_INSTANCE;
}

/** True for a lease that was granted to the instance whose first id is `first`. */
export function isLeaseOf(lease: bigint, first: bigint): boolean {
  return lease >= first && lease < first + IDS_PER_INSTANCE;
}
