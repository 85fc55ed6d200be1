/** `up`: starts a holder, has it build the lab and check it, and lets it go on alone. */

import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import type { Subprocess } from 'bun';
import { slowness } from '../testing/slowness.ts';
import { ask, isServed } from './control.ts';
import type { HoldArguments } from './hold.ts';
import { type Instance, mustIdentify } from './instance.ts';
import type { CommandLine } from './options.ts';
import { findPrivileges } from './privileges.ts';
import { onlyChild } from './processes.ts';
import type { Report } from './report.ts';
import { getReady } from './requirements.ts';
import { cleanEnvironment } from './run.ts';

/** Milliseconds for the holder to open its socket. */
const HOLD_TIMEOUT = 15_000 * slowness;

/** Signals that a terminal or a supervisor sends: the lab goes, files included. */
const INTERRUPTIONS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The user has had enough. */
export class Interrupted extends Error {
  override readonly name: string = 'Interrupted';
}

/** It cannot be done here; the message says what is missing. */
export class Unable extends Error {
  override readonly name: string = 'Unable';
}

/**
 * Replaces the instance's lab by a new one. The caller has the lock.
 *
 * @returns whether all checks passed; either way the lab is running
 * @throws Unable, or Error with what failed while it was built: then nothing is left running
 */
export async function up(instance: Instance, line: CommandLine, report: Report): Promise<boolean> {
  const privileges = findPrivileges();
  if (privileges.kind === 'none') throw new Unable(privileges.reason);
  if (line.options.ipv !== '4' && !existsSync('/proc/net/if_inet6')) {
    throw new Unable('this kernel has no IPv6: use --ipv 4 (make up IPV=4)');
  }
  if (!existsSync(line.options.binary))
    throw new Unable(`${line.options.binary} is not there: run 'make build'`);
  const lacking = await getReady(line.options, privileges.unshare, report);
  if (lacking !== undefined) throw new Unable(lacking);
  if (await instance.destroy()) report({ kind: 'text', text: 'replacing the lab that was running' });
  let interrupted = false;
  let holder: Subprocess | undefined;
  const interrupt = (): void => {
    interrupted = true;
    holder?.kill('SIGKILL');
  };
  for (const signal of INTERRUPTIONS) process.on(signal, interrupt);
  try {
    holder = await startHolder(instance, line, privileges.unshare);
    if (interrupted) holder.kill('SIGKILL');
    const started = await ask(instance.socket, 'start', {}, report);
    if (!started.ok) throw new Error(`the lab could not be built ${instance.logTail(5)}`.trimEnd());
    const checked = line.checks ? await ask(instance.socket, 'check', line.request, report) : { ok: true };
    await ask(instance.socket, 'detach', {}, report);
    holder.unref();
    return checked.ok;
  } catch (error) {
    await instance.destroy();
    throw interrupted ? new Interrupted('interrupted', { cause: error }) : error;
  } finally {
    for (const signal of INTERRUPTIONS) process.off(signal, interrupt);
  }
}

async function startHolder(
  instance: Instance,
  line: CommandLine,
  unshare: readonly string[],
): Promise<Bun.Subprocess<'pipe', number, number>> {
  mkdirSync(instance.mountPoint, { recursive: true });
  const held: HoldArguments = {
    socket: instance.socket,
    mountPoint: instance.mountPoint,
    options: line.options,
  };
  const log = openSync(instance.log, 'w', 0o600);
  const main = `${import.meta.dirname}/main.ts`;
  const child = Bun.spawn(
    [...unshare, process.execPath, main, 'hold', instance.argument, JSON.stringify(held)],
    // A session of its own: the terminal's signals are for the command.
    { stdin: 'pipe', stdout: log, stderr: log, env: cleanEnvironment(), cwd: '/', detached: true },
  );
  closeSync(log);
  const parent = mustIdentify(child.pid);
  const holder = mustIdentify(await onlyChild(child.pid, HOLD_TIMEOUT));
  instance.writeState({ version: 1, parent, holder, options: line.options });
  const deadline = performance.now() + HOLD_TIMEOUT;
  while (!(await isServed(instance.socket))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Error(`the lab's holder does not start: ${instance.logTail(10)}`);
    }
    await Bun.sleep(2);
  }
  return child;
}
