import { isErrno } from '../../shared/sys/errno.ts';
import { isRegular, stat } from '../../shared/sys/stat.ts';
import type { Answer } from '../protocol/dispatch.ts';
import { ioFailure } from '../protocol/error.ts';
import type { PluginCall, PluginRunner } from './plugin-runner.ts';
import { pluginNotFound } from './plugin-runner.ts';

/** Bytes of output that are taken from a plugin; a larger result is a plugin gone wild, which is killed. */
const maxOutput = 16 * 1024 * 1024;

/** Milliseconds between attempts while the plugin's file is being written (ETXTBSY): about 5 s, as libcni waits. */
const busyPauses = [20, 50, 100, 200, 500, 1000, 1500, 1500];

/** Runs plugins as processes. */
export class ExecRunner implements PluginRunner {
  async run(call: PluginCall): Promise<Answer> {
    const file = findPlugin(call.type, call.path);
    for (const pause of busyPauses) {
      const answer = await tryRun(file, call);
      if (answer !== 'busy') return answer;
      await sleep(pause, call.signal);
    }
    throw ioFailure(`plugin ${file} cannot be started: its file is still being written (ETXTBSY)`);
  }
}

/** The first regular file named `type` in the directories of `path`. Throws code 5. */
export function findPlugin(type: string, path: readonly string[]): string {
  for (const directory of path) {
    const file = `${directory}/${type}`;
    try {
      if (isRegular(stat(file))) return file;
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) throw error;
    }
  }
  throw pluginNotFound(type, path);
}

async function tryRun(file: string, call: PluginCall): Promise<Answer | 'busy'> {
  throwIfAborted(call);
  const child = start(file, call);
  if (child === 'busy') return child;
  // The whole group: a delegate that the plugin waits for would otherwise go on by itself, beside a following DEL.
  const kill = (): void => killGroup(child.pid);
  call.signal?.addEventListener('abort', kill, { once: true });
  try {
    const [stdout, stderr, exitCode] = await Promise.all([
      readText(child.stdout, kill),
      readText(child.stderr, kill),
      child.exited,
    ]);
    if (call.signal?.aborted) throwIfAborted(call);
    return { stdout, stderr, exitCode };
  } finally {
    call.signal?.removeEventListener('abort', kill);
  }
}

type Child = Bun.Subprocess<Uint8Array, 'pipe', 'pipe'>;

function start(file: string, call: PluginCall): Child | 'busy' {
  try {
    return Bun.spawn([file], {
      env: childEnvironment(call.variables),
      stdin: call.stdin,
      stdout: 'pipe',
      stderr: 'pipe',
      detached: true,
    });
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === 'ETXTBSY') return 'busy';
    const advice =
      code === 'EACCES' ? ': make it executable' : code === 'ENOEXEC' ? ': it is no program' : '';
    throw ioFailure(`plugin ${file} cannot be started${advice}`, { details: String(cause), cause });
  }
}

/** Our environment as libcni hands on its own, without what would turn a child that Bun compiled into something else. */
function childEnvironment(variables: Readonly<Record<string, string>>): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith('BUN_'),
  );
  return { ...Object.fromEntries(inherited), ...variables };
}

async function readText(stream: ReadableStream<Uint8Array>, kill: () => void): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxOutput) {
      kill();
      throw ioFailure(`the plugin printed more than ${maxOutput} bytes and was killed`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: the last of them has just exited.
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

function throwIfAborted(call: PluginCall): void {
  if (!call.signal?.aborted) return;
  throw new Error(`plugin ${call.type} was stopped (${call.variables['CNI_COMMAND']})`, {
    cause: call.signal.reason,
  });
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
