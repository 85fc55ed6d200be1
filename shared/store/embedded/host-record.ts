/**
 * Which kernel uses a store: a small file beside it, `<store>-host`.
 *
 * Processes of one kernel see each other's locks and shared memory; those of two kernels do not, and would corrupt
 * the store. The boot id names the running kernel. Another boot id on the same machine is a reboot. One of another
 * machine is a disk that was moved, unless that machine has been writing its heartbeat lately: then the disk is shared
 * and the newcomer is refused. Should two kernels start at the same moment, each of them reads the other's id at its
 * next write or heartbeat at the latest and stops.
 */

import { existsSync, readFileSync } from 'node:fs';
import { isErrno } from '../../sys/errno.ts';
import { readTextIfExists, writeFileAtomic } from '../../sys/file.ts';
import { hostname } from '../../sys/process.ts';
import { StoreRefusedError } from '../errors.ts';
import { OTHER_STORES } from './filesystem.ts';

/**
 * How often a running process renews the record, in ms. Five minutes are 288 small writes a day, which an SD card
 * does not notice.
 */
export const HEARTBEAT_MS: number = 5 * 60 * 1000;

/** A machine that missed three heartbeats is gone. */
const FRESH_MS = 3 * HEARTBEAT_MS;

export interface HostIdentity {
  readonly machineId: string;
  readonly bootId: string;
  readonly hostname: string;
}

export interface HostRecord extends HostIdentity {
  readonly format: 1;
  /** Wall clock of the last heartbeat, ms since 1970. */
  readonly beatMs: number;
  /** The store's epoch: there was a store here, so that a file that is empty or gone was lost. */
  readonly epoch?: string;
}

/** This machine and the boot it is in. */
export function readHostIdentity(): HostIdentity {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const name = hostname();
  const file = ['/etc/machine-id', '/var/lib/dbus/machine-id'].find((path) => existsSync(path));
  const machineId = file === undefined ? '' : readFileSync(file, 'utf8').trim();
  // Containers often have no machine-id; then the host name is the best there is.
  return { machineId: machineId === '' ? `host:${name}` : machineId, bootId, hostname: name };
}

/** The record; `undefined` where there is none or a power cut left half of one. */
export function readHostRecord(path: string): HostRecord | undefined {
  const text = readTextIfExists(path);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<HostRecord> | null;
    if (typeof value?.bootId !== 'string' || typeof value.machineId !== 'string') return undefined;
    return {
      format: 1,
      machineId: value.machineId,
      bootId: value.bootId,
      hostname: String(value.hostname ?? '?'),
      beatMs: Number(value.beatMs ?? 0),
      ...(typeof value.epoch === 'string' && { epoch: value.epoch }),
    };
  } catch {
    return undefined;
  }
}

/** Writes the record, durably. The caller holds the store's lock. */
export function writeHostRecord(path: string, record: HostRecord): void {
  writeFileAtomic(path, `${JSON.stringify(record)}\n`, { mode: 0o600, fsync: true });
}

/**
 * Decides whether `me` may use the store, given what the record says.
 *
 * @throws StoreRefusedError another machine uses it
 */
export function checkHost(
  record: HostRecord | undefined,
  me: HostIdentity,
  wallMs: number,
  path: string,
): void {
  if (record === undefined || record.bootId === me.bootId || record.machineId === me.machineId) return;
  const age = wallMs - record.beatMs;
  if (age >= FRESH_MS) return;
  const seconds = Math.ceil((FRESH_MS - Math.max(age, 0)) / 1000);
  throw new StoreRefusedError(
    `another machine uses this store (${record.hostname}, machine-id ${record.machineId}), and only one kernel can. ` +
      `If its disk was moved here, try again in ${seconds} s or remove ${path}; ${OTHER_STORES}`,
  );
}

/**
 * Checks before a write that no other kernel has taken the store meanwhile.
 *
 * @throws StoreRefusedError
 */
export function requireOwnHost(path: string, me: HostIdentity): void {
  let record: HostRecord | undefined;
  try {
    record = readHostRecord(path);
  } catch (error) {
    // The directory is gone: opening the store anew will say more.
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return;
    throw error;
  }
  if (record === undefined || record.bootId === me.bootId) return;
  throw new StoreRefusedError(
    `another kernel took this store over (${record.hostname}, machine-id ${record.machineId}); this one has stopped ` +
      `using it. Give each machine a store on a disk of its own; ${OTHER_STORES}`,
  );
}
