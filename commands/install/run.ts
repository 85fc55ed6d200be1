/** Carries out a plan, one run at a time. */

import { mkdirp, readTextIfExists } from '../../shared/sys/file.ts';
import { lock } from '../../shared/sys/lock.ts';
import type { Disk } from './disk.ts';
import { RECORD_PATH, STATE_DIR } from './layout.ts';
import type { Plan } from './plan-install.ts';
import { type InstallRecord, parseRecord } from './record.ts';
import { apply, type Checkpoint, describe, removeIfEmpty } from './steps.ts';

export interface RunOptions {
  readonly dryRun?: boolean;
  /** Where the lines for the operator go. */
  readonly print?: (line: string) => void;
  readonly checkpoint?: Checkpoint;
}

/** How long to wait for another install or uninstall; copying the executable takes it well under a second. */
const LOCK_TIMEOUT_MS = 10_000;

/**
 * Plans with the record as it is and does what the plan says.
 *
 * @returns false when there was nothing to do
 * @throws UsageError from the plan, SyscallError from a step: running again goes on from there
 */
export async function run(
  disk: Disk,
  plan: (record: InstallRecord | undefined) => Promise<Plan>,
  options: RunOptions = {},
): Promise<boolean> {
  const { dryRun = false, print = () => {}, checkpoint = () => {} } = options;
  if (dryRun) return await carryOut();
  mkdirp(disk.real(STATE_DIR));
  const held = lock(disk.real(`${STATE_DIR}/install.lock`), LOCK_TIMEOUT_MS);
  try {
    return await carryOut();
  } finally {
    held.removeAndRelease();
    removeIfEmpty(disk.real(STATE_DIR));
  }

  async function carryOut(): Promise<boolean> {
    const text = readTextIfExists(disk.real(RECORD_PATH));
    const record = text === undefined ? undefined : parseRecord(text, disk.real(RECORD_PATH));
    const { steps, notes } = await plan(record);
    for (const step of steps) {
      if (!dryRun) apply(step, disk, checkpoint);
      const line = describe(step);
      if (line !== undefined) print(dryRun ? `would ${line}` : line);
    }
    for (const note of notes) print(`note: ${note}`);
    return steps.length > 0;
  }
}
