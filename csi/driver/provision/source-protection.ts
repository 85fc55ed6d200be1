/** Keeps what volumes are made from until they are made: finalizers on the claim that is cloned, on the snapshot that is restored. */

import { isForbidden } from '../../../shared/kube/errors.ts';
import { CLAIMS, SNAPSHOTS_ASKED } from '../../../shared/kube/storage-resources.ts';
import type { PersistentVolumeClaim } from '../../../shared/kube/storage-types.ts';
import { WorkQueue } from '../../../shared/kube/work-queue.ts';
import type { ClusterView } from './cluster-view.ts';
import { type Context, RETRY } from './context.ts';
import { SourceError, sourceOf } from './data-source.ts';
import type { Journal } from './journal.ts';
import { FINALIZER } from './names.ts';
import { withFinalizer, withoutFinalizer } from './object-changes.ts';

/** Before a volume is made. A role without the right to change snapshots is no reason not to restore one, as with the sidecar. */
export async function protectSource(
  { options: { client, log } }: Context,
  claim: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<void> {
  const source = sourceOf(claim);
  const { namespace = '' } = claim.metadata;
  if (source.kind === 'claim')
    await withFinalizer(client, CLAIMS, { namespace, name: source.name }, FINALIZER.clone, signal);
  if (source.kind === 'snapshot') {
    const target = { namespace, name: source.name };
    await withFinalizer(client, SNAPSHOTS_ASKED, target, FINALIZER.snapshotSource, signal).catch(
      (error: unknown) => {
        if (!isForbidden(error)) throw error;
        log.debug('a snapshot is restored without being kept from deletion meanwhile', { error });
      },
    );
  }
}

/**
 * Once a volume is made, or never will be. A snapshot may go unless another volume is being made from it here (it is on no
 * other node); a claim that was cloned lets go when it is deleted, see below, as with external-provisioner.
 */
export async function releaseSource(
  { options: { client } }: Context,
  journal: Journal,
  claim: PersistentVolumeClaim,
  signal: AbortSignal,
): Promise<void> {
  const name = snapshotOf(claim);
  if (name === undefined) return;
  const { namespace = '', uid } = claim.metadata;
  const isUsed = [...journal.all.values()].some(
    ({ claim: other }) =>
      other.metadata.uid !== uid && other.metadata.namespace === namespace && snapshotOf(other) === name,
  );
  if (isUsed) return;
  const target = { namespace, name };
  await withoutFinalizer(client, SNAPSHOTS_ASKED, target, FINALIZER.snapshotSource, signal).catch(
    (error: unknown) => {
      if (!isForbidden(error)) throw error;
    },
  );
}

/** The name of the snapshot that a claim is to be made from. */
export function snapshotOf(claim: PersistentVolumeClaim): string | undefined {
  try {
    const source = sourceOf(claim);
    return source.kind === 'snapshot' ? source.name : undefined;
  } catch (error) {
    if (error instanceof SourceError) return undefined;
    throw error;
  }
}

/** Lets claims go that were cloned, are being deleted, and of which no clone is still to be made. */
export class CloneProtection implements Disposable {
  readonly #context: Context;
  readonly #view: ClusterView;
  readonly #queue: WorkQueue;

  constructor(context: Context, view: ClusterView) {
    this.#context = context;
    this.#view = view;
    const { clock, random } = context.options;
    this.#queue = new WorkQueue({
      ...RETRY,
      clock,
      random,
      work: (key, signal) => this.#work(key, signal),
    });
    // A claim that goes, or a clone that was made.
    view.on(CLAIMS, () => this.refresh());
  }

  refresh(): void {
    for (const [key, claim] of this.#view.claims.items) if (isGoing(claim)) this.#queue.add(key);
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  [Symbol.dispose](): void {
    this.#queue[Symbol.dispose]();
  }

  async #work(key: string, signal: AbortSignal): Promise<void> {
    const { claims, volumes, ready } = this.#view;
    const claim = claims.items.get(key);
    if (!ready || !claim || !isGoing(claim) || !volumes.items.has(claim.spec?.volumeName ?? '')) return;
    const { namespace = '', name } = claim.metadata;
    const isUsed = [...claims.items.values()].some(
      ({ metadata, spec, status }) =>
        metadata.namespace === namespace &&
        status?.phase === 'Pending' &&
        spec?.dataSource?.kind === 'PersistentVolumeClaim' &&
        spec.dataSource.name === name,
    );
    if (isUsed) return;
    const { client } = this.#context.options;
    await withoutFinalizer(client, CLAIMS, { namespace, name }, FINALIZER.clone, signal);
  }
}

function isGoing({ metadata }: PersistentVolumeClaim): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(FINALIZER.clone) === true;
}
