/**
 * What external-provisioner, -resizer and -snapshotter do beside a driver, in the driver's own process: it makes volumes for
 * claims, deletes, expands and changes them, tells their room, and takes snapshots, for its own node's volumes only.
 *
 * Everything is level-triggered: what is to be done follows from the objects alone (and from the journal of what was begun),
 * so a new process goes on where another was killed.
 */

import type { KubeClient } from '../../../shared/kube/client.ts';
import { type KubeClock, systemClock } from '../../../shared/kube/clock.ts';
import type { VolumeSnapshotContent } from '../../../shared/kube/snapshot-types.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import { Capacity, type CapacityPlace } from './capacity.ts';
import { ChangeQueue } from './change-queue.ts';
import { ClaimQueue } from './claim-queue.ts';
import type { OwnNode } from './claim-step.ts';
import { slim } from './claim-view.ts';
import { ClusterView } from './cluster-view.ts';
import { ContentQueue } from './content-queue.ts';
import { Context } from './context.ts';
import type { DriverCalls } from './driver-calls.ts';
import { Groups } from './groups.ts';
import type { Journal } from './journal.ts';
import { snapshotKind } from './snapshot-kind.ts';
import { CloneProtection } from './source-protection.ts';
import { VolumeQueue } from './volume-queue.ts';

export interface ProvisionerOptions {
  readonly client: KubeClient;
  readonly calls: DriverCalls;
  /** The driver's name. */
  readonly driver: string;
  readonly log: Logger;
  readonly journal: Journal;
  /**
   * The node whose volumes these are, with the driver's topology: `{ name: 'a', segments: { 'local.underpod.io/node': 'a' } }`.
   * Absent: volumes are reached from everywhere; then only one provisioner of the cluster may run.
   */
  readonly node?: OwnNode;
  /** Where CSIStorageCapacity objects are kept; absent: nobody is told of the driver's room. Only with a node. */
  readonly capacity?: CapacityPlace;
  /** The driver says SINGLE_NODE_MULTI_WRITER. */
  readonly multiWriter?: boolean;
  /** Whether the driver is told the names of claims, volumes and snapshots; by default it is. */
  readonly extraMetadata?: boolean;
  /** How long one call of the driver may take, in ms; by default an hour: it copies data where it cannot share it. */
  readonly callLimitMs?: number;
  readonly clock?: KubeClock;
  readonly random?: () => number;
}

/** For `underpod status volumes`. */
export interface ProvisionerStatus {
  /** False while the API server does not answer: everything waits. */
  readonly reachable: boolean;
  /** What cannot be read of the cluster, by kind. */
  readonly problems: readonly { readonly kind: string; readonly error: string }[];
  /** Claims that have no volume yet, and why. */
  readonly claims: readonly { readonly claim: string; readonly why: string }[];
  /** Claims whose larger size or other attributes failed so far. */
  readonly changes: readonly { readonly claim: string; readonly why: string }[];
  /** Volumes that could not be deleted so far. */
  readonly volumes: readonly { readonly volume: string; readonly why: string }[];
  /** Kinds of objects that the cluster lacks: what is to be done with them waits. */
  readonly missing: readonly string[];
  /** Contents of snapshots and groups that failed so far. */
  readonly snapshots: readonly { readonly content: string; readonly why: string }[];
  /** The room that the scheduler is told of, by class, in bytes. */
  readonly rooms: readonly { readonly className: string; readonly available: number }[];
  /** Volumes that were begun and not handed over. */
  readonly begun: number;
}

/** What works on objects of one kind. */
interface Part extends Disposable {
  /** Looks at everything again. */
  refresh(): void;
  /** Resolves when nothing is worked on and nothing waits for its turn. */
  idle(): Promise<void>;
}

const CALL_LIMIT_MS = 3_600_000;

export class Provisioner {
  readonly #context: Context;
  readonly #view: ClusterView;
  readonly #claims: ClaimQueue;
  readonly #volumes: VolumeQueue;
  readonly #changes: ChangeQueue;
  readonly #capacity: Capacity | undefined;
  readonly #snapshots: ContentQueue<VolumeSnapshotContent> | undefined;
  readonly #groups: Groups | undefined;
  readonly #journal: Journal;
  readonly #queues: readonly Part[];

  constructor(options: ProvisionerOptions) {
    const { clock = systemClock, random = Math.random, node, driver, journal, log } = options;
    const { client, calls, multiWriter = false, extraMetadata = true } = options;
    const context = new Context({
      ...{ client, calls, driver, log, clock, random, multiWriter, extraMetadata },
      callLimitMs: options.callLimitMs ?? CALL_LIMIT_MS,
      ...(node && { node }),
    });
    const chance = Math.floor(random() * 10_000);
    const suffix = node ? `-${node.name}` : '';
    // As external-provisioner calls itself; for people who look where a volume came from.
    const identity = `${clock.now().wallMs}-${chance}-${driver}${suffix}`;
    const component = `${driver}_${node?.name ?? 'leader'}_${chance.toString(16).padStart(4, '0')}`;
    const view = new ClusterView(context, () => this.#refresh());
    const onRoom = (): void => this.#capacity?.changed();
    this.#context = context;
    this.#view = view;
    this.#journal = journal;
    this.#claims = new ClaimQueue({ context, view, journal, identity, component, onRoom });
    this.#volumes = new VolumeQueue({ context, view, component, onRoom });
    this.#changes = new ChangeQueue({ context, view, onRoom });
    if (node && options.capacity && calls.getCapacity)
      this.#capacity = new Capacity(context, view, node, options.capacity);
    if (calls.createSnapshot) {
      const kind = snapshotKind(context);
      const contents = view.follow(kind.resource, (each) =>
        each.spec.driver === driver ? slim(each) : undefined,
      );
      this.#snapshots = new ContentQueue(context, view, kind, contents);
    }
    if (calls.createVolumeGroupSnapshot) this.#groups = new Groups(context, view);
    const clones = new CloneProtection(context, view);
    const parts = [
      this.#claims,
      this.#volumes,
      this.#changes,
      clones,
      this.#capacity,
      this.#snapshots,
      this.#groups,
    ];
    this.#queues = parts.filter((part) => part !== undefined);
  }

  get status(): ProvisionerStatus {
    const { health } = this.#view;
    return {
      reachable: health.reachable,
      problems: health.problems,
      claims: this.#claims.waiting,
      changes: this.#changes.waiting,
      volumes: this.#volumes.failing,
      missing: health.missing,
      snapshots: [...(this.#snapshots?.failing ?? []), ...(this.#groups?.failing ?? [])],
      // It travels as JSON.
      rooms: (this.#capacity?.rooms ?? []).map(({ className, available }) => ({
        className,
        available: Number(available),
      })),
      begun: this.#journal.all.size,
    };
  }

  /** Works until the signal is aborted; what the driver does at that moment is broken off, and gone on with by the next. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#view.run(signal), this.#groups?.run(signal)]);
    for (const queue of this.#queues) queue[Symbol.dispose]();
    for (const queue of this.#queues) await queue.idle();
  }

  /** Resolves when nothing is worked on, and every event was sent. */
  async idle(): Promise<void> {
    for (const queue of this.#queues) await queue.idle();
    await this.#context.eventsSent();
  }

  #refresh(): void {
    for (const queue of this.#queues) queue.refresh();
  }
}
