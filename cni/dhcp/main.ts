/** `underpod dhcp`: keeps the DHCP leases of pods (in place of upstream's `dhcp daemon`). */

import { writeSync } from 'node:fs';
import { version } from '../../package.json' with { type: 'json' };
import { parseDuration } from '../../shared/config/duration.ts';
import { formatFlags, parseArguments, parseBoolean } from '../../shared/config/flags.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import { errorText, type Level, type LogFormat } from '../../shared/log/format.ts';
import { createLogger, type Logger } from '../../shared/log/logger.ts';
import { unlinkIfExists, writeFile } from '../../shared/sys/file.ts';
import { tryLock } from '../../shared/sys/lock.ts';
import { sdNotify } from '../../shared/sys/sd-notify.ts';
import { activatedSocket } from './daemon/activation.ts';
import { systemClock } from './daemon/clock.ts';
import type { Manners } from './daemon/daemon.ts';
import { Daemon } from './daemon/daemon.ts';
import { LeaseStore } from './daemon/lease-store.ts';
import { findPod, LinuxPod } from './daemon/linux-pod.ts';
import type { Handler } from './daemon/serve.ts';
import { serve, serveDescriptor } from './daemon/serve.ts';
import { DHCP_FLAGS } from './flags.ts';

interface Options {
  readonly socket: string;
  readonly stateDir: string;
  readonly pidfile: string;
  readonly manners: Manners;
  readonly log: { readonly level: Level; readonly format: LogFormat };
}

/** Exit codes: 0 told to stop, 1 cannot work, 2 asked for something that cannot be. */
export async function main(args: string[]): Promise<number> {
  try {
    const parsed = parseArguments(args, DHCP_FLAGS);
    if (parsed.help) {
      writeSync(1, usage());
      return 0;
    }
    const [surplus] = parsed.rest;
    if (surplus !== undefined)
      throw new UsageError(`unexpected argument "${surplus}"; --help lists all flags`);
    return await run(readOptions(parsed.values));
  } catch (error) {
    writeSync(2, `underpod dhcp: ${errorText(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

function readOptions(values: ReadonlyMap<string, readonly string[]>): Options {
  const text = (name: string): string =>
    values.get(name)?.at(-1) ?? DHCP_FLAGS.find((flag) => flag.name === name)?.default ?? '';
  const duration = (name: string): number => parseDuration(text(name)) ?? 0;
  const pidfile = text('pidfile');
  for (const name of ['pidfile', 'socket', 'socketpath', 'state-dir', 'hostprefix']) {
    const path = text(name);
    if (path !== '' && !path.startsWith('/')) throw new UsageError(`--${name} must be an absolute path`);
  }
  const hostPrefix = text('hostprefix');
  return {
    socket: hostPrefix + (text('socketpath') || text('socket')),
    stateDir: text('state-dir'),
    pidfile,
    manners: {
      hostPrefix,
      timeout: duration('timeout'),
      resendMax: duration('resendmax'),
      resendTimeout: duration('resendtimeout'),
      broadcast: parseBoolean(text('broadcast') || 'false') ?? false,
    },
    log: { level: text('log-level') as Level, format: text('log-format') as LogFormat },
  };
}

async function run({ socket, stateDir, pidfile, manners, log: logOptions }: Options): Promise<number> {
  const log = createLogger('dhcp', logOptions);
  const activated = activatedSocket(process.env, process.pid);
  log.info('starting', { version, socket: activated === undefined ? socket : "systemd's", stateDir });
  const clock = systemClock();
  const store = new LeaseStore(stateDir);
  using stack = new DisposableStack();
  stack.use(onlyOne(stateDir));
  const daemon = new Daemon({
    clock,
    bootId: clock.bootId,
    random: Math.random,
    log,
    store,
    manners,
    findPod,
    knownPod: (place, identity) => new LinuxPod(place, identity),
  });
  daemon.takeOver();
  stack.defer(() => daemon.stop());
  if (pidfile !== '') {
    writeFile(pidfile, String(process.pid));
    stack.defer(() => void unlinkIfExists(pidfile));
  }
  const handle: Handler = (request, signal) => daemon.handle(request, signal);
  stack.use(activated === undefined ? serve(socket, handle) : serveDescriptor(activated, handle));
  log.info('ready', { leases: daemon.size });
  notify(log, 'READY=1');
  const signal = await stopped();
  log.info('stopping; leases stay and are taken over by the next daemon', { signal, leases: daemon.size });
  notify(log, 'STOPPING=1');
  return 0;
}

function stopped(): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
}

/** Two daemons with the same leases would renew them twice; the kernel lets go of the lock however one ends. */
function onlyOne(directory: string): Disposable {
  const lock = tryLock(`${directory}/lock`);
  if (!lock) throw new Error(`another daemon keeps the leases of ${directory} (it holds its file "lock")`);
  return lock;
}

function notify(log: Logger, state: string): void {
  try {
    sdNotify(state);
  } catch (error) {
    log.warn('systemd cannot be told', { state, error });
  }
}

function usage(): string {
  return `underpod dhcp: keeps the DHCP leases of pods (in place of the dhcp plugin's daemon)

Usage: underpod dhcp [FLAGS]

The CNI IPAM type "dhcp" asks it for addresses. It gets them in the pod's network
namespace, renews them for as long as the pod lives, and goes on with them when it
is started again. Where systemd hands a socket on, it listens on that one.

${formatFlags(DHCP_FLAGS)}
`;
}
