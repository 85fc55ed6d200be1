/** A lab of a test's own: the commands as a person calls them, their events read back. */
import { readdirSync, readlinkSync } from 'node:fs';
import { executable as built } from '../build/executable.ts';
import { freshNetns } from '../testing/netns.ts';
import { slowness } from '../testing/slowness.ts';
import { Instance } from './instance.ts';
import { checkout } from './options.ts';
import { findPrivileges } from './privileges.ts';
import { childrenOf, identify, type ProcessId } from './processes.ts';
import type { Event, Row } from './report.ts';

/** No command of the lab takes longer, in ms. */
export const COMMAND_TIMEOUT: number = 60_000 * slowness;

export interface Told {
  readonly code: number | null;
  readonly rows: readonly Row[];
  readonly out: string;
  readonly err: string;
}

/**
 * Whether labs can be built here; prints why not. As root, moves the test's process to a network and mount namespace
 * of its own first, which is then the lab's "host": what it looks like is nobody else's doing.
 */
export function labsAvailable(): boolean {
  const privileges = findPrivileges();
  if (privileges.kind === 'none') {
    process.stderr.write(`skipped: lab tests: ${privileges.reason}\n`);
    return false;
  }
  return privileges.kind === 'user-namespace' || freshNetns();
}

/** The compiled executable, built if it is not up to date. */
export function executable(): string {
  return built();
}

export class LabUnderTest implements AsyncDisposable {
  readonly instance: Instance;
  readonly #prefix: readonly string[];

  /**
   * @param label tells the labs of one test file apart
   * @param prefix a command that runs the lab's command, such as setpriv(1)
   */
  constructor(label: string, prefix: readonly string[] = [], uid?: number) {
    this.instance = new Instance(`${label}-${process.pid}`, checkout, uid);
    this.#prefix = prefix;
  }

  /** Starts a command without waiting for its end. */
  spawn(...args: string[]): Bun.Subprocess<'ignore', 'pipe', 'pipe'> {
    const main = `${import.meta.dirname}/main.ts`;
    const [command = '', ...rest] = args;
    const own = [process.execPath, main, command, '--name', this.instance.name, ...rest];
    // What a test is run with must not reach the lab.
    const { PATH = '', HOME = '' } = process.env;
    return Bun.spawn([...this.#prefix, ...own], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { PATH, HOME },
      timeout: COMMAND_TIMEOUT,
    });
  }

  /** Runs a command to its end. */
  async run(...args: string[]): Promise<Told> {
    const child = this.spawn(...args, '--json');
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { code, out, err, rows: rowsOf(out) };
  }

  /** Runs a command that must succeed. @throws Error with what it printed */
  async must(...args: string[]): Promise<Told> {
    const told = await this.run(...args);
    if (told.code !== 0)
      throw new Error(`lab ${args.join(' ')}: exit code ${told.code}\n${told.err}${told.out}`);
    return told;
  }

  /** Brings the lab up. @throws Error if that or a check fails */
  async up(...args: string[]): Promise<Told> {
    return this.must('up', '--binary', executable(), ...args);
  }

  /**
   * Breaks a path and returns how long its agent took to put it back, in ms.
   *
   * @param attempts the best of how many counts. 1 wherever the kernel tells the agent of a change: then there is nothing
   *   to be unlucky about. Legacy iptables tells nobody, so that the agent looks twice a second and half the second is
   *   gone before it begins; tests run beside others on two processors.
   */
  async heal(what: string, attempts = 1): Promise<number> {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < attempts && best >= 1000; i++) {
      const { out } = await this.must('heal', what);
      best = Math.min(best, Number(out.match(/healed in (\d+) ms/)?.[1]));
    }
    return best;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.run('down');
  }
}

function rowsOf(out: string): Row[] {
  return out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Event)
    .flatMap((event) => (event.kind === 'row' ? [event.row] : []));
}

/** Ids of the rows with this outcome. */
export function idsOf(rows: readonly Row[], outcome: Row['outcome']): string[] {
  return rows.filter((row) => row.outcome === outcome).map((row) => row.id);
}

/**
 * All processes of a lab: those that share a namespace with the process or a descendant of it, and not with the test.
 * (Namespaces alone cannot be followed: the kernel gives their numbers away again at once.)
 */
export function membersOf(pid: number): ProcessId[] {
  const own = new Set(namespaces('self'));
  const lab = new Set([pid, ...descendantsOf(pid)].flatMap((member) => namespaces(String(member))));
  const inLab = (name: string): boolean => namespaces(name).some((one) => lab.has(one) && !own.has(one));
  return processNumbers()
    .filter(inLab)
    .flatMap((name) => identify(Number(name)) ?? []);
}

function processNumbers(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function namespaces(pid: string): string[] {
  return ['net', 'mnt', 'pid', 'uts'].flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)];
    } catch {
      // It has ended.
      return [];
    }
  });
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}
