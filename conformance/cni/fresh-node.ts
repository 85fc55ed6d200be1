/**
 * A node for one test case: a network namespace that plays the host's, one that is the pod's, and empty state
 * directories, all within a `World`. Plugins are executed in the host's namespace; both namespaces go at the end, with
 * whatever was left in them.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createNetns, deleteNetns } from '../../shared/sys/netns.ts';
import type { Config } from './configs.ts';

export type Json = Record<string, unknown>;

export type Command = 'ADD' | 'CHECK' | 'DEL' | 'GC' | 'STATUS' | 'VERSION';

/** How a call ended: exit code, and stdout as text and, where it is JSON, as a value. */
export interface CallAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly json: unknown;
}

/** Where plugins keep what outlives a call. */
const stateDirectories = ['/run/underpod', '/run/cni', '/run/flannel', '/var/lib/cni', '/etc/cni'];

/** The attachment: the same on every node, so that names made of its id are the same. */
export const containerId = 'pod-0123456789abcdef0123456789abcdef';
export const ifname = 'eth0';

export class FreshNode implements Disposable {
  readonly host = '/run/netns/host';
  readonly pod = '/run/netns/pod';

  /** @param setup `ip` command lines that are run on the host first */
  constructor(setup: readonly string[] = []) {
    forgetState();
    for (const path of [this.host, this.pod]) {
      // Left by a case that failed.
      if (existsSync(path)) deleteNetns(path);
      createNetns(path);
    }
    for (const line of ['ip link set lo up', ...setup]) this.run(...words(line));
  }

  [Symbol.dispose](): void {
    for (const path of [this.pod, this.host]) if (existsSync(path)) deleteNetns(path);
    forgetState();
  }

  /** Runs a program on the host and returns what it printed. @throws Error with its stderr where it failed */
  run(program: string, ...args: string[]): string {
    return this.#runIn(this.host, [program, ...args]);
  }

  #runIn(netns: string, command: readonly string[], input: string = ''): string {
    const child = spawnSync('nsenter', [`--net=${netns}`, ...command], { encoding: 'utf8', input });
    if (child.status === 0) return child.stdout;
    throw new Error(`${command.join(' ')}: exit ${child.status}: ${child.stderr}`);
  }

  /** `ip -j` on the host or in the pod. */
  ip<T = Json[]>(where: 'host' | 'pod', ...args: string[]): T {
    const text = this.run('ip', ...(where === 'pod' ? ['-n', 'pod'] : []), '-j', '-d', ...args).trim();
    return (text === '' ? [] : JSON.parse(text)) as T;
  }

  /** The answers to several of `ip`'s questions, by one process. Each is a line such as `address show`. */
  ipAll<T extends readonly unknown[]>(where: 'host' | 'pod', ...questions: string[]): T {
    const text = this.#runIn(this[where], ['ip', '-j', '-d', '-batch', '-'], `${questions.join('\n')}\n`);
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown) as unknown as T;
  }

  /** Calls an executable plugin of a directory, as a runtime does. */
  call(
    directory: string,
    command: Command,
    config: Config | Json,
    extra: Readonly<Record<string, string>> = {},
  ): CallAnswer {
    const attachment = command === 'ADD' || command === 'CHECK' || command === 'DEL';
    const child = spawnSync('nsenter', [`--net=${this.host}`, join(directory, String(config['type']))], {
      env: {
        PATH: process.env['PATH'],
        CNI_COMMAND: command,
        CNI_PATH: directory,
        ...(attachment && { CNI_CONTAINERID: containerId, CNI_NETNS: this.pod, CNI_IFNAME: ifname }),
        ...extra,
      },
      input: JSON.stringify(config),
      encoding: 'utf8',
      timeout: 60_000,
    });
    const { status, stdout, stderr } = child;
    return { code: status ?? -1, stdout, stderr, json: parsed(stdout) };
  }

  /** Files below the state directories with their text; not host-local's index, which is symbolic links to nothing. */
  files(): Record<string, string> {
    const found: Record<string, string> = {};
    const walk = (directory: string): void => {
      for (const name of existsSync(directory) ? readdirSync(directory).sort() : []) {
        const path = join(directory, name);
        const entry = lstatSync(path);
        if (entry.isDirectory()) walk(path);
        else if (entry.isFile()) found[path] = readFileSync(path, 'latin1');
      }
    };
    for (const directory of stateDirectories) walk(directory);
    return found;
  }
}

function words(line: string): [string, ...string[]] {
  const [program = '', ...args] = line.trim().split(/\s+/);
  return [program, ...args];
}

function parsed(text: string): unknown {
  try {
    return text.trim() === '' ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}

/** Empties the state directories: /var/lib/cni may be a mount, so it stays itself. */
function forgetState(): void {
  for (const directory of stateDirectories) {
    if (!existsSync(directory)) mkdirSync(directory, { recursive: true });
    for (const name of readdirSync(directory))
      rmSync(join(directory, name), { recursive: true, force: true });
  }
}
