/** A driver that keeps its volumes and snapshots in memory, behaves as the specification says, and fails as a test asks. */

import type { CreateVolumeRequest, Snapshot, Volume } from '#messages/csi';
import {
  ControllerExpandVolumeResponse,
  CreateSnapshotResponse,
  CreateVolumeGroupSnapshotResponse,
  CreateVolumeResponse,
  GetCapacityResponse,
  GetVolumeGroupSnapshotResponse,
  ListSnapshotsResponse,
} from '#messages/csi';
import { type CodeName, RpcError } from '../../../../shared/grpc/error.ts';
import type { Init } from '../../../../shared/grpc/wire/schema.ts';
import { type DriverCalls, whole } from '../driver-calls.ts';

export interface SeenCall {
  readonly call: keyof DriverCalls;
  readonly request: Readonly<Record<string, unknown>>;
}

export interface DriverFault {
  readonly call: keyof DriverCalls;
  readonly code: CodeName;
  /** How many calls it meets; by default one. */
  readonly times?: number;
  /** The work is done all the same: the answer is what gets lost. */
  readonly after?: true;
  /** Waits until the caller gives up. */
  readonly hang?: true;
}

export interface FakeVolume {
  readonly id: string;
  readonly name: string;
  size: bigint;
  readonly request: Init<CreateVolumeRequest>;
}

/** Where it is, and how much room there is. */
export interface FakeDriverOptions {
  readonly segments?: Readonly<Record<string, string>>;
  readonly capacity?: bigint;
}

export class FakeDriver {
  readonly volumes: Map<string, FakeVolume> = new Map();
  readonly snapshots: Map<string, Snapshot> = new Map();
  readonly groups: Map<string, { readonly name: string; readonly snapshots: readonly Snapshot[] }> =
    new Map();
  readonly seen: SeenCall[] = [];
  capacity: bigint;
  nodeExpansionRequired = true;
  snapshotsReady = true;
  /** Asked before each call; an answer makes it fail. `after`: the work is done all the same. */
  chance: (call: keyof DriverCalls) => { readonly code: CodeName; readonly after: boolean } | undefined =
    () => undefined;
  readonly #segments: Readonly<Record<string, string>> | undefined;
  readonly #faults: { readonly fault: DriverFault; left: number }[] = [];
  #serial = 0;
  #interrupted:
    | { readonly at: number; readonly when: 'before' | 'after'; readonly hit: () => void }
    | undefined;

  constructor({ segments, capacity = 2n ** 50n }: FakeDriverOptions = {}) {
    this.#segments = segments;
    this.capacity = capacity;
  }

  fail(fault: DriverFault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 });
  }

  /** How many volumes were ever made. */
  get made(): number {
    return this.#serial;
  }

  /** The call of that number, counted from 1, ends only when its caller gives up. @param hit told when it comes that far */
  interrupt(at: number, when: 'before' | 'after', hit: () => void): void {
    this.#interrupted = { at, when, hit };
  }

  /** What was asked of it, by name. */
  requests(call: keyof DriverCalls): Readonly<Record<string, unknown>>[] {
    return this.seen.filter((each) => each.call === call).map(({ request }) => request);
  }

  readonly calls: DriverCalls = {
    createVolume: (request, signal) =>
      this.#do('createVolume', request, signal, () =>
        whole(CreateVolumeResponse, { volume: this.#create(request) }),
      ),
    deleteVolume: (request, signal) =>
      this.#do('deleteVolume', request, signal, () => {
        this.volumes.delete(request.volumeId ?? '');
        return {};
      }),
    getCapacity: (request, signal) =>
      this.#do('getCapacity', request, signal, () =>
        whole(GetCapacityResponse, {
          availableCapacity: this.#free,
          maximumVolumeSize: { value: this.#free },
        }),
      ),
    controllerExpandVolume: (request, signal) =>
      this.#do('controllerExpandVolume', request, signal, () => {
        const volume = this.volumes.get(request.volumeId ?? '');
        if (!volume) throw new RpcError('NOT_FOUND', 'there is no such volume');
        const size = request.capacityRange?.requiredBytes ?? 0n;
        if (size > volume.size) volume.size = size;
        return whole(ControllerExpandVolumeResponse, {
          capacityBytes: volume.size,
          nodeExpansionRequired: this.nodeExpansionRequired,
        });
      }),
    controllerModifyVolume: (request, signal) =>
      this.#do('controllerModifyVolume', request, signal, () => ({})),
    createSnapshot: (request, signal) =>
      this.#do('createSnapshot', request, signal, () => {
        const { name = '', sourceVolumeId = '' } = request;
        return whole(CreateSnapshotResponse, { snapshot: this.#snapshot(name, sourceVolumeId) });
      }),
    deleteSnapshot: (request, signal) =>
      this.#do('deleteSnapshot', request, signal, () => {
        this.snapshots.delete(request.snapshotId ?? '');
        return {};
      }),
    listSnapshots: (request, signal) =>
      this.#do('listSnapshots', request, signal, () => {
        const entries = [...this.snapshots.values()]
          .filter(({ snapshotId }) => !request.snapshotId || snapshotId === request.snapshotId)
          .map((snapshot) => ({ snapshot: { ...snapshot, readyToUse: this.snapshotsReady } }));
        return whole(ListSnapshotsResponse, { entries });
      }),
    createVolumeGroupSnapshot: (request, signal) =>
      this.#do('createVolumeGroupSnapshot', request, signal, () => {
        const groupSnapshotId = `group-of-${request.name}`;
        const snapshots = (request.sourceVolumeIds ?? []).map((id) =>
          this.#snapshot(`${request.name}-${id}`, id, groupSnapshotId),
        );
        this.groups.set(groupSnapshotId, { name: request.name ?? '', snapshots });
        return whole(CreateVolumeGroupSnapshotResponse, {
          groupSnapshot: { groupSnapshotId, snapshots, readyToUse: true, creationTime: TIME },
        });
      }),
    deleteVolumeGroupSnapshot: (request, signal) =>
      this.#do('deleteVolumeGroupSnapshot', request, signal, () => {
        this.groups.delete(request.groupSnapshotId ?? '');
        for (const id of request.snapshotIds ?? []) this.snapshots.delete(id);
        return {};
      }),
    getVolumeGroupSnapshot: (request, signal) =>
      this.#do('getVolumeGroupSnapshot', request, signal, () => {
        const groupSnapshotId = request.groupSnapshotId ?? '';
        const group = this.groups.get(groupSnapshotId);
        if (!group) throw new RpcError('NOT_FOUND', 'there is no such group');
        const { snapshots } = group;
        return whole(GetVolumeGroupSnapshotResponse, {
          groupSnapshot: { groupSnapshotId, snapshots, readyToUse: true, creationTime: TIME },
        });
      }),
  };

  get #free(): bigint {
    return this.capacity - [...this.volumes.values()].reduce((sum, { size }) => sum + size, 0n);
  }

  async #do<T>(call: keyof DriverCalls, request: object, signal: AbortSignal, work: () => T): Promise<T> {
    this.seen.push({ call, request: request as Readonly<Record<string, unknown>> });
    const interrupted = this.#interrupted?.at === this.seen.length ? this.#interrupted : undefined;
    if (interrupted) {
      if (interrupted.when === 'after') work();
      interrupted.hit();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      throw signal.reason;
    }
    const bad = this.chance(call);
    if (bad) {
      if (bad.after) work();
      throw new RpcError(bad.code, 'by chance');
    }
    const entry = this.#faults.find(({ fault, left }) => fault.call === call && left > 0);
    if (!entry) return work();
    entry.left -= 1;
    const { code, after, hang } = entry.fault;
    if (after) work();
    if (hang) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    throw new RpcError(code, 'as the test asked');
  }

  #create(request: Init<CreateVolumeRequest>): Init<Volume> {
    const { name = '', capacityRange, volumeContentSource } = request;
    const size = capacityRange?.requiredBytes ?? 1024n;
    let volume = [...this.volumes.values()].find((each) => each.name === name);
    if (volume && volume.size < size) throw new RpcError('ALREADY_EXISTS', `${name} has another size`);
    if (!volume) {
      if (size > this.#free) throw new RpcError('RESOURCE_EXHAUSTED', 'no room');
      this.#serial += 1;
      volume = { id: `volume-${this.#serial}`, name, size, request };
      this.volumes.set(volume.id, volume);
    }
    return {
      volumeId: volume.id,
      capacityBytes: volume.size,
      volumeContext: { pool: 'default' },
      ...(volumeContentSource && { contentSource: volumeContentSource }),
      accessibleTopology: this.#segments ? [{ segments: this.#segments }] : [],
    };
  }

  #snapshot(name: string, sourceVolumeId: string, groupSnapshotId = ''): Snapshot {
    const snapshotId = `snapshot-of-${name}`;
    const there = this.snapshots.get(snapshotId);
    if (there) return { ...there, readyToUse: this.snapshotsReady };
    const volume = this.volumes.get(sourceVolumeId);
    if (!volume) throw new RpcError('NOT_FOUND', `there is no volume ${sourceVolumeId}`);
    const snapshot: Snapshot = {
      snapshotId,
      sourceVolumeId,
      groupSnapshotId,
      sizeBytes: volume.size,
      creationTime: TIME,
      readyToUse: this.snapshotsReady,
    };
    this.snapshots.set(snapshotId, snapshot);
    return snapshot;
  }
}

/** When every snapshot is taken: 2026-01-01T00:00:00Z. */
const TIME = { seconds: 1_767_225_600n, nanos: 5 };
