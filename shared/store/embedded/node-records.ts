/** Node and Lease objects as one registration, inside a transaction: see ../node-object.ts for how they relate. */

import { type KubeObject, keyOf, type ObjectKey } from '../kube-object.ts';
import { remainingMs } from '../lease-time.ts';
import { isLeaseOver, isRegistered, NODE_LEASE_NAMESPACE, termOf } from '../node-object.ts';
import type { ReadView, Transaction } from './transaction.ts';

/** The key of a Node. */
export function nodeKey(name: string): ObjectKey {
  return { kind: 'Node', namespace: '', name };
}

/** The key of a node's Lease. */
export function leaseKey(name: string): ObjectKey {
  return { kind: 'Lease', namespace: NODE_LEASE_NAMESPACE, name };
}

/** All node leases, over or not. */
export function listLeases(view: ReadView): KubeObject[] {
  return view.list('Lease', NODE_LEASE_NAMESPACE);
}

/** Ends a node's lease. Its Node goes with it, unless an operator made it. `false` when there was no lease. */
export function endLease(transaction: Transaction, name: string): boolean {
  const lease = transaction.delete(leaseKey(name));
  const node = transaction.get(nodeKey(name));
  if (node !== undefined && isRegistered(node)) transaction.delete(nodeKey(name));
  return lease !== undefined;
}

/** Removes a node altogether: its lease, its subnets, an operator's reservation. `undefined` when there was none. */
export function removeNode(transaction: Transaction, name: string): KubeObject | undefined {
  transaction.delete(leaseKey(name));
  return transaction.delete(nodeKey(name));
}

/** Ends every lease that is over. @returns milliseconds until the next one is, `undefined` without leases */
export function endExpiredLeases(transaction: Transaction): number | undefined {
  let next: number | undefined;
  for (const lease of listLeases(transaction)) {
    const term = termOf(lease);
    if (term === undefined || isLeaseOver(lease, transaction.now)) {
      endLease(transaction, keyOf(lease).name);
      continue;
    }
    next = Math.min(next ?? Number.POSITIVE_INFINITY, remainingMs(term, transaction.now));
  }
  return next;
}
