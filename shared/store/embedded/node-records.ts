/** Node and Lease objects as one registration, inside a transaction: see ../node-object.ts for how they relate. */

import { formatCidr, overlaps } from '../../ip/cidr.ts';
import { ConflictError } from '../errors.ts';
import { type KubeObject, keyOf, type ObjectKey } from '../kube-object.ts';
import { remainingMs } from '../lease-time.ts';
import { cidrsOf, isLeaseOver, isRegistered, NODE_LEASE_NAMESPACE, termOf } from '../node-object.ts';
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

/**
 * Checks an operator's Node before it is stored: its subnets must overlap nobody else's, and those of a node that is
 * alive must stay, since its pods have addresses in them.
 *
 * @throws ConflictError
 */
export function requireFreeSubnets(view: ReadView, node: KubeObject, stored: KubeObject | undefined): void {
  const { name } = node.metadata;
  const cidrs = cidrsOf(node).map(formatCidr);
  const had = stored === undefined ? [] : cidrsOf(stored).map(formatCidr);
  const lease = view.get(leaseKey(name));
  if (lease !== undefined && !isLeaseOver(lease, view.now) && had.some((cidr) => !cidrs.includes(cidr))) {
    throw new ConflictError(
      `node/${name} is alive and has ${had.join(', ')}, which cannot be changed: leave podCIDR out of the file, or ` +
        `stop its agent and run 'underpod delete node/${name}' first`,
    );
  }
  for (const other of view.list('Node')) {
    if (other.metadata.name === name) continue;
    for (const cidr of cidrsOf(node)) {
      const taken = cidrsOf(other).find((theirs) => overlaps(cidr, theirs));
      if (taken === undefined) continue;
      const where = `${formatCidr(taken)} of node/${other.metadata.name}`;
      throw new ConflictError(
        `podCIDR ${formatCidr(cidr)} of node/${name} overlaps ${where}; choose another one`,
      );
    }
  }
}
