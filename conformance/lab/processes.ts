/** Processes as /proc shows them: found by their arguments, told apart from later ones with the same number. */
import { readdirSync, readFileSync } from 'node:fs';

/** A process that cannot be mistaken for another: numbers are reused, a number and a start time are not. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks after boot at which it started: field 22 of /proc/PID/stat (proc(5)). */
  readonly startTime: number;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}

/** The process with this number, or undefined if there is none or only its exit status is left. */
export function identify(pid: number): ProcessId | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses and may hold anything, so count from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads] = [fields[0], Number(fields[17])];
  // The first thread may have ended while others still do; only then has the kernel ended a PID namespace's processes.
  if ((state === 'Z' || state === 'X') && threads <= 1) return undefined;
  return { pid, startTime: Number(fields[19]) };
}

/** Whether exactly this process still runs. */
export function isAlive(process: ProcessId): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/** Processes that have `argument` as one of their arguments. */
export function processesWithArgument(argument: string): ProcessId[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/cmdline`)?.split('\0').includes(argument))
    .flatMap((pid) => identify(Number(pid)) ?? []);
}

/** Children of a process, in /proc's own numbering. */
export function childrenOf(pid: number): number[] {
  const listed = read(`/proc/${pid}/task/${pid}/children`);
  if (listed !== undefined) return listed.split(' ').filter(Boolean).map(Number);
  // Kernels without CONFIG_PROC_CHILDREN: ask every process for its parent.
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      const stat = read(`/proc/${name}/stat`);
      return stat !== undefined && Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
    })
    .map(Number);
}

/** The one child of a process that forks once, as unshare(1) and nsenter(1) do; waits up to `timeout` ms for it. */
export async function onlyChild(pid: number, timeout: number): Promise<number> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const [child] = childrenOf(pid);
    if (child !== undefined) return child;
    if (identify(pid) === undefined || performance.now() > deadline) {
      throw new Error(`process ${pid} has started no child`);
    }
    await Bun.sleep(1);
  }
}

/** SIGKILL to each that still is the same process, then waits until all are gone. @returns those left after `timeout` ms */
export async function killAll(processes: readonly ProcessId[], timeout: number): Promise<ProcessId[]> {
  for (const target of processes) {
    try {
      if (isAlive(target)) process.kill(target.pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  const deadline = performance.now() + timeout;
  let left = processes.filter(isAlive);
  while (left.length > 0 && performance.now() < deadline) {
    await Bun.sleep(5);
    left = left.filter(isAlive);
  }
  return left;
}
