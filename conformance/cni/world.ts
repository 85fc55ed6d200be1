/**
 * One node's worth of CNI, cut off from the host: the process's own network and mount namespace with empty /run and
 * /etc/cni and a /var/lib/cni on a real disk, in which plugin executables are called as a runtime calls them.
 */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MS } from '../../shared/sys/constants.ts';
import { mount, unmount } from '../../shared/sys/mount.ts';
import { createNetns, deleteNetns } from '../../shared/sys/netns.ts';
import { coverWithTmpfs, freshNetns } from '../testing/netns.ts';

/** One call of a plugin. */
export interface Call {
  readonly command: 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';
  /** The executable. */
  readonly program: string;
  /** The network configuration, sent on stdin as JSON. */
  readonly config: Record<string, unknown>;
  readonly containerId?: string;
  readonly ifname?: string;
  /** Path of the container's network namespace. */
  readonly netns?: string;
  /** CNI_PATH: where delegates are looked for; the executable's directory unless given. */
  readonly path?: string;
  /** Put before the command line: a tracer, for example. */
  readonly wrapper?: readonly string[];
}

/** How a call ended. */
export interface Answer {
  /** Exit code, or null if a signal ended it. */
  readonly code: number | null;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** From before the spawn until the end was noticed. */
  readonly ms: number;
}

/** A container's network namespace and the names its attachment goes by. */
export interface Container {
  readonly id: string;
  readonly ifname: string;
  readonly netns: string;
}

/** Moves this process to an empty node. @returns undefined, with the reason printed, where that is not allowed */
export function enterWorld(): World | undefined {
  return freshNetns() ? new World() : undefined;
}

/**
 * See the module's comment. The namespaces end with the process; the directory on disk goes with `using`, and at the
 * latest when the process exits: a test file keeps its world to its end.
 */
export class World implements Disposable {
  /** What is mounted on /var/lib/cni: a directory outside of the namespaces. */
  readonly disk: string = mkdtempSync(join(tmpdir(), 'underpod-world-'));
  readonly #atExit = (): void => this[Symbol.dispose]();
  #count = 0;

  constructor() {
    process.once('exit', this.#atExit);
    coverWithTmpfs('/run');
    mkdirSync('/run/netns');
    coverWithTmpfs('/var/lib');
    mkdirSync('/var/lib/cni');
    mount(this.disk, '/var/lib/cni', 'none', MS.BIND);
    mkdirSync('/etc/cni', { recursive: true });
    coverWithTmpfs('/etc/cni');
  }

  /** A new container, its id starting with `prefix`: a fresh network namespace under /run/netns. */
  container(prefix: string = 'container'): Container {
    this.#count += 1;
    const id = `${prefix}-${this.#count}`;
    const netns = `/run/netns/${id}`;
    createNetns(netns);
    return { id, ifname: 'eth0', netns };
  }

  /** Ends a container's namespace, as a runtime does after DEL. */
  remove(container: Container): void {
    deleteNetns(container.netns);
  }

  /** Removes what was on disk. A second call does nothing. */
  [Symbol.dispose](): void {
    process.off('exit', this.#atExit);
    if (!existsSync(this.disk)) return;
    for (const name of readdirSync('/run/netns')) deleteNetns(`/run/netns/${name}`);
    unmount('/var/lib/cni', 2);
    rmSync(this.disk, { recursive: true, force: true });
  }
}

function prepare(call: Call): { cmd: string[]; env: Record<string, string>; stdin: Uint8Array } {
  const env: Record<string, string> = {
    CNI_COMMAND: call.command,
    CNI_PATH: call.path ?? call.program.slice(0, call.program.lastIndexOf('/')),
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
  };
  if (call.containerId !== undefined) env['CNI_CONTAINERID'] = call.containerId;
  if (call.ifname !== undefined) env['CNI_IFNAME'] = call.ifname;
  if (call.netns !== undefined) env['CNI_NETNS'] = call.netns;
  const stdin = new TextEncoder().encode(JSON.stringify(call.config));
  return { cmd: [...(call.wrapper ?? []), call.program], env, stdin };
}

/** Calls a plugin and waits for it. */
export function callSync(call: Call): Answer {
  const { cmd, env, stdin } = prepare(call);
  const start = Bun.nanoseconds();
  const child = Bun.spawnSync({ cmd, env, stdin, stdout: 'pipe', stderr: 'pipe' });
  const ms = (Bun.nanoseconds() - start) / 1e6;
  const signal = child.signalCode ? String(child.signalCode) : undefined;
  return {
    code: signal === undefined ? child.exitCode : null,
    signal,
    stdout: child.stdout.toString(),
    stderr: child.stderr.toString(),
    ms,
  };
}

/** A call that is under way. */
export interface Running {
  readonly pid: number;
  readonly answer: Promise<Answer>;
  kill(): void;
}

/** Starts a call; several may run at once. */
export function startCall(call: Call): Running {
  const { cmd, env, stdin } = prepare(call);
  const start = Bun.nanoseconds();
  const child = Bun.spawn({ cmd, env, stdin, stdout: 'pipe', stderr: 'pipe' });
  const answer = async (): Promise<Answer> => {
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    const ms = (Bun.nanoseconds() - start) / 1e6;
    const signal = child.signalCode === null ? undefined : String(child.signalCode);
    return { code: signal === undefined ? child.exitCode : null, signal, stdout, stderr, ms };
  };
  return { pid: child.pid, answer: answer(), kill: () => child.kill('SIGKILL') };
}
