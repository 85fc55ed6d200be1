/** What is kept of each volume and snapshot, beside its data in the pool: `volume.json`, `snapshot.json`. Pure. */

import { BACKENDS, type BackendName, FS_TYPES, type Shape } from './backends/backend.ts';
import { type IoLimits, isIoLimits } from './io-limits.ts';

/** Of the layout below. Another one is not touched. */
const VERSION = 1;

/**
 * How far it has come. `making`: its data may be half there, and the next CreateVolume of that name goes on; `removing`: its
 * data may be half gone, and nothing but removing it is possible.
 */
export type State = 'making' | 'ready' | 'removing';

/** What it was made from. */
export interface Origin {
  readonly type: 'volume' | 'snapshot';
  readonly id: string;
}

export interface VolumeRecord extends Shape {
  readonly id: string;
  /** As it was asked for. */
  readonly name: string;
  readonly state: State;
  readonly backend: BackendName;
  readonly origin?: Origin;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly limits: IoLimits;
  /** A pod's own, gone with it. */
  readonly ephemeral?: true;
  /** The claim it was made for, where that was told: for people. */
  readonly claim?: string;
  /** Where its directory was when another provisioner had it. */
  readonly adopted?: string;
}

export interface SnapshotRecord extends Shape {
  readonly id: string;
  readonly name: string;
  readonly state: State;
  readonly backend: BackendName;
  /** The volume's id, which may be gone. */
  readonly source: string;
  /** Milliseconds since the epoch: when the data was as it is here. */
  readonly created: number;
  /** Of those that were made at one moment: its id, and how many they are. */
  readonly group?: string;
  readonly members?: number;
}

/** A record that cannot be read, or is of a later version. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

export function formatRecord(record: VolumeRecord | SnapshotRecord): string {
  return `${JSON.stringify({ version: VERSION, ...record }, undefined, 2)}\n`;
}

/** @throws RecordError */
export function parseVolumeRecord(text: string, id: string): VolumeRecord {
  const record = parse(text, id);
  const { limits, origin, ephemeral, claim } = record as Partial<Record<keyof VolumeRecord, unknown>>;
  if (!isIoLimits(limits)) throw new RecordError('limits are none');
  if (origin !== undefined && !isOrigin(origin)) throw new RecordError('origin is none');
  if (ephemeral !== undefined && ephemeral !== true) throw new RecordError('ephemeral is neither');
  if (claim !== undefined && typeof claim !== 'string') throw new RecordError('claim is none');
  return record as unknown as VolumeRecord;
}

/** @throws RecordError */
export function parseSnapshotRecord(text: string, id: string): SnapshotRecord {
  const record = parse(text, id);
  if (typeof record['source'] !== 'string') throw new RecordError('source is missing');
  const { group } = record;
  if (group !== undefined && typeof group !== 'string') throw new RecordError('group is none');
  return record as unknown as SnapshotRecord;
}

function parse(text: string, id: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RecordError('it is no JSON', { cause });
  }
  if (typeof value !== 'object' || value === null) throw new RecordError('it is no object');
  const { version, ...record } = value as Record<string, unknown>;
  if (version !== VERSION) throw new RecordError(`it has version ${JSON.stringify(version)}, not ${VERSION}`);
  if (record['id'] !== id) throw new RecordError('it is of another directory');
  const wrong = Object.entries(CHECKS).find(([key, check]) => !check(record[key]));
  if (wrong) throw new RecordError(`${wrong[0]} is missing or wrong`);
  return record;
}

const oneOf =
  (values: readonly string[]) =>
  (value: unknown): boolean =>
    typeof value === 'string' && values.includes(value);

const CHECKS: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: (value) => typeof value === 'string' && value !== '',
  state: oneOf(['making', 'ready', 'removing']),
  backend: oneOf(BACKENDS),
  size: (value) => Number.isSafeInteger(value) && (value as number) > 0,
  thin: (value) => typeof value === 'boolean',
  access: oneOf(['mount', 'block']),
  fsType: oneOf(FS_TYPES),
  created: (value) => Number.isSafeInteger(value),
};

function isOrigin(value: unknown): value is Origin {
  if (typeof value !== 'object' || value === null) return false;
  const { type, id } = value as Partial<Origin>;
  return (type === 'volume' || type === 'snapshot') && typeof id === 'string';
}
