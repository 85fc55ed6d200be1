/** Running the compiled executable, as the tests of several rooms do. */
import { resolve } from 'node:path';
import { type Architecture, nativeArchitecture } from '../../scripts/bun-runtime.ts';
import { ensureBuilt, outputPath } from '../../scripts/compile.ts';
import { isVm } from '../testing/slowness.ts';

/**
 * Absolute path of the executable for an architecture, compiled anew if the sources changed. Run from the top. The VM
 * takes what was built before it started: there every file has another number, so that each test would compile for minutes.
 */
export function executable(arch: Architecture = nativeArchitecture()): string {
  return resolve(isVm ? outputPath(arch) : ensureBuilt(arch));
}

export interface Outcome {
  /** `null` after a signal. */
  readonly code: number | null;
  /** The signal that ended it, such as `SIGKILL`. */
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Setting {
  /** The whole environment: nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
  /** The name it is called by, when it is not the path. */
  readonly argv0?: string;
  readonly timeoutMs?: number;
}

/** Runs a command to its end. */
export function runCommand(command: readonly string[], setting: Setting = {}): Outcome {
  const done = Bun.spawnSync([...command], {
    env: { ...setting.env },
    stdin: new TextEncoder().encode(setting.stdin ?? ''),
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: setting.timeoutMs ?? 20_000,
    ...(setting.cwd === undefined ? {} : { cwd: setting.cwd }),
    ...(setting.argv0 === undefined ? {} : { argv0: setting.argv0 }),
  });
  return {
    code: done.exitCode,
    signal: done.signalCode === undefined ? undefined : String(done.signalCode),
    stdout: done.stdout.toString(),
    stderr: done.stderr.toString(),
  };
}

/** The environment of a call that asks a plugin for its versions. */
export const VERSION_CALL: Readonly<Record<string, string>> = {
  CNI_COMMAND: 'VERSION',
  CNI_PATH: '/opt/cni/bin',
};
