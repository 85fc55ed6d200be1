/** Runs a program to its end: stdin given, output taken. Loaded only when one is to be run. */

import { errnoNumber, isErrno } from './errno.ts';
import { isRegular, stat } from './stat.ts';

/** One run of a program. */
export interface Run {
  /** What is run, in the words of error messages: `plugin x (ADD)`. */
  readonly what: string;
  readonly file: string;
  readonly args?: readonly string[];
  /** Variables beside our own; `undefined` keeps one of ours from the program. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly stdin: Uint8Array;
  /** Called with its process id before it is given anything on stdin. */
  readonly onStart?: (pid: number) => void;
  /** Bytes that it may print to each of stdout and stderr; 16 MiB, unless it is known to have more to say. */
  readonly maxOutput?: number;
  /** Descriptors of ours that the program inherits, as 3 and up. */
  readonly inherited?: readonly number[];
  /**
   * Kills the program and all that it started. Such a program gets a process group of its own; one without a signal
   * stays in ours, so that whoever kills us by the group gets it too.
   */
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended. An exit code other than 0 is no failure of `runProgram`. */
export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A program that could not be started, or was killed because it printed too much (EFBIG). */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  /** errno's name: 'ETXTBSY'. */
  readonly code: string;
  readonly errno: number;

  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.errno = errnoNumber(code);
  }
}

/** Bytes that are taken of each of stdout and stderr; a program that prints more has gone wild, and is killed. */
const usualOutput = 16 * 1024 * 1024;

/** Milliseconds between attempts while the program's file is being written (ETXTBSY): about 5 s, as libcni waits. */
const busyPauses = [20, 50, 100, 200, 500, 1000, 1500, 1500];

/** The first regular file of that name in the directories of `path`; undefined where there is none. */
export function findProgram(name: string, path: readonly string[]): string | undefined {
  if (name === '' || name.includes('/')) return undefined;
  for (const directory of path) {
    const file = `${directory}/${name}`;
    try {
      if (isRegular(stat(file))) return file;
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) throw error;
    }
  }
  return undefined;
}

/**
 * Runs a program, waiting while its file is being written.
 *
 * @throws ProgramError; after an abort an Error whose cause is the signal's reason
 */
export async function runProgram(run: Run): Promise<Output> {
  for (const pause of busyPauses) {
    const output = await tryRun(run);
    if (output !== 'busy') return output;
    await sleep(pause, run.signal);
  }
  throw new ProgramError(`${run.what} cannot be started: ${run.file} is still being written`, 'ETXTBSY');
}

async function tryRun(run: Run): Promise<Output | 'busy'> {
  throwIfAborted(run);
  const child = start(run);
  if (child === 'busy') return child;
  const kill = (): void => killAll(run.signal ? -child.pid : child.pid);
  run.signal?.addEventListener('abort', kill, { once: true });
  try {
    run.onStart?.(child.pid);
    const [stdout, stderr, exitCode] = await Promise.all([
      readText(child.stdout, run, kill),
      readText(child.stderr, run, kill),
      child.exited,
      run.onStart && feed(child, run.stdin),
    ]);
    throwIfAborted(run);
    return { stdout, stderr, exitCode };
  } finally {
    run.signal?.removeEventListener('abort', kill);
  }
}

type Child = Bun.Subprocess<Uint8Array | 'pipe', 'pipe', 'pipe'>;

/** A program that ends without reading all of it says why itself. */
async function feed({ stdin }: Child, bytes: Uint8Array): Promise<void> {
  if (typeof stdin !== 'object') return;
  try {
    await stdin.write(bytes);
    await stdin.end();
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPIPE') throw error;
  }
}

function start(run: Run): Child | 'busy' {
  const { what, file, args = [], variables, stdin, inherited = [], signal } = run;
  try {
    return Bun.spawn([file, ...args], {
      env: environment(variables),
      stdio: [run.onStart ? 'pipe' : stdin, 'pipe', 'pipe', ...inherited],
      detached: signal !== undefined,
    });
  } catch (cause) {
    const { code = 'EIO' } = cause as { code?: string };
    if (code === 'ETXTBSY') return 'busy';
    const advice: Record<string, string> = { EACCES: ': make it executable', ENOEXEC: ': it is no program' };
    const why = advice[code] ?? ` (${code})`;
    throw new ProgramError(`${what} cannot be started from ${file}${why}`, code, { cause });
  }
}

/** Our environment, without what would turn a program that Bun compiled into something else. */
function environment(variables: Run['variables']): Record<string, string | undefined> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BUN_'));
  return { ...Object.fromEntries(inherited), ...variables };
}

async function readText(stream: ReadableStream<Uint8Array>, run: Run, kill: () => void): Promise<string> {
  const { maxOutput = usualOutput } = run;
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxOutput) {
      kill();
      throw new ProgramError(`${run.what} printed more than ${maxOutput} bytes and was killed`, 'EFBIG');
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** @param target a process, or negative a process group */
function killAll(target: number): void {
  try {
    process.kill(target, 'SIGKILL');
  } catch (error) {
    // ESRCH: the last of them has just exited.
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

function throwIfAborted({ what, signal }: Run): void {
  if (signal?.aborted) throw new Error(`${what} was stopped`, { cause: signal.reason });
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
