/** Runs short commands, each with an end: what does not answer in time is killed, children included. */

import { slowness } from '../testing/slowness.ts';
import { toolPath } from './privileges.ts';
import { childrenOf } from './processes.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: string;
  /** Milliseconds; the default suits commands that only talk to the kernel. */
  readonly timeout?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command ended with an error code, or did not end. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
}

/** The environment of everything the lab starts: nothing of the caller's settings reaches it (BUN_OPTIONS, CNI_*). */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: toolPath(), HOME: '/root', LC_ALL: 'C.UTF-8', ...extra };
}

/** Runs a command to its end and returns what it printed, whatever its exit code. @throws CommandError after `timeout` */
export async function tryRun(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { timeout = 10_000 * slowness, input = '' } = options;
  const child = Bun.spawn([...argv], {
    stdin: new TextEncoder().encode(input),
    stdout: 'pipe',
    stderr: 'pipe',
    env: cleanEnvironment(options.env),
    cwd: '/',
  });
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    // nsenter(1) and unshare(1) fork: their child would live on.
    for (const pid of [...childrenOf(child.pid), child.pid]) killQuietly(pid);
  }, timeout);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  clearTimeout(timer);
  if (expired) throw new CommandError(`${shown(argv)}: no end within ${timeout} ms: ${tail(err, out)}`);
  return { code, out, err };
}

/** Runs a command to its end. @returns its stdout @throws CommandError with what it printed if it fails */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, out, err } = await tryRun(argv, options);
  if (code !== 0) throw new CommandError(`${shown(argv)}: exit code ${code}: ${tail(err, out)}`);
  return out;
}

/** SIGKILL; that the process has gone meanwhile is what is wanted anyway. */
export function killQuietly(pid: number, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The command without what nsenter needs, short enough for a message. */
function shown(argv: readonly string[]): string {
  const start = argv[0] === 'nsenter' ? argv.indexOf('--') + 1 : 0;
  return argv.slice(start).join(' ').slice(0, 200);
}

function tail(err: string, out: string): string {
  return (err.trim() || out.trim()).slice(-600) || 'it printed nothing';
}
