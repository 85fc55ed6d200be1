/** `underpod proxy`: puts the service proxy together and runs it until it is told to stop. */

import { writeSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { version } from '../../package.json' with { type: 'json' };
import { formatFlags, parseArguments, parseBoolean } from '../../shared/config/flags.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import { systemClock } from '../../shared/daemon/clock.ts';
import { errorText } from '../../shared/log/format.ts';
import { createLogger, type Logger } from '../../shared/log/logger.ts';
import { isStoreRefused } from '../../shared/store/errors.ts';
import { mkdirp, overwriteFile, writeFileAtomic } from '../../shared/sys/file.ts';
import { lockForLife } from '../../shared/sys/lock.ts';
import { hostname } from '../../shared/sys/process.ts';
import { toVersioned, unfollowedKeys } from './config/configuration.ts';
import { FLAG_GROUPS, PROXY_FLAGS } from './config/flags.ts';
import { type Loaded, loadOptions, normalized } from './config/load.ts';
import type { ProxyOptions } from './config/options.ts';
import { conntrackParameters, setConntrack } from './conntrack/sysctls.ts';
import { takenOverMode } from './leftovers/taken-over.ts';
import { removeProgrammed } from './modes/registry.ts';
import { notify, runProxy } from './run.ts';
import { ProgrammedModes } from './state/programmed-modes.ts';

/** Exit codes: 0 told to stop, 1 cannot work, 2 asked for something that cannot be. */
export async function main(args: string[]): Promise<number> {
  try {
    const parsed = parseArguments(normalized(args), PROXY_FLAGS);
    if (parsed.help) {
      writeSync(1, usage());
      return 0;
    }
    if (parseBoolean(parsed.values.get('version')?.at(-1) ?? 'false')) {
      writeSync(1, `underpod ${version}\n`);
      return 0;
    }
    const [surplus] = parsed.rest;
    if (surplus !== undefined)
      throw new UsageError(`unexpected argument "${surplus}"; --help lists all flags`);
    const load = (): Loaded => loadOptions(parsed, { environment: process.env, hostName: hostname() });
    const loaded = load();
    const { options, settings } = loaded;
    const path = settings.optional('write-config-to');
    if (path !== undefined) {
      writeFileAtomic(path, Bun.YAML.stringify(toVersioned(options.configuration), null, 2));
      return 0;
    }
    const log = createLogger('proxy', options.log);
    if (settings.boolean('cleanup')) return await cleanUp(options, log);
    if (settings.boolean('init-only')) {
      await initialize(options, log);
      return 0;
    }
    return await serve(loaded, load, log);
  } catch (error) {
    writeSync(2, `underpod proxy: ${errorText(error)}\n`);
    return error instanceof UsageError || isStoreRefused(error) ? 2 : 1;
  }
}

/** Runs with the configuration as it is, and again with each that follows it. */
async function serve(first: Loaded, load: () => Loaded, firstLog: Logger): Promise<number> {
  let log = firstLog;
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    log.info('stopping; what is programmed stays', { signal });
    notify(log, 'STOPPING=1');
    stop.abort();
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);
  using _ = onlyOne(first.options.runDir);
  let loaded = first;
  let before: Loaded | undefined;
  while (!stop.signal.aborted) {
    if (loaded !== first) log = createLogger('proxy', loaded.options.log);
    announce(loaded, log);
    await initialize(loaded.options, log);
    try {
      const next = await runProxy(loaded, load, log, stop.signal);
      if (!next) break;
      log.info('the configuration file has changed: going on with the new one');
      before = loaded;
      loaded = next;
    } catch (error) {
      if (!before) throw error;
      log.error('what the configuration file asks for cannot be had: going on with the one before', {
        error,
      });
      // It is the file as it is now that was tried.
      loaded = { ...before, ...(loaded.file && { file: loaded.file }) };
      before = undefined;
    }
  }
  return 0;
}

/** What somebody who reads the log should know. */
function announce({ options, file }: Loaded, log: Logger): void {
  const { node, mode, isModeDefault, datastore, unknownKeys, replacedFlags, ignoredFlags } = options;
  log.info('starting', { version, node, mode, datastore: datastore.type, because: datastore.why });
  if (isModeDefault)
    log.info(
      'no mode is set: nftables, where kube-proxy would take iptables. Node ports are served on all addresses, as there, ' +
        'but not on 127.0.0.1',
    );
  if (unknownKeys.length > 0)
    log.warn('the configuration has keys that nobody reads', { file: file?.path, keys: unknownKeys });
  const unfollowed = unfollowedKeys(options.configuration);
  if (unfollowed.length > 0)
    log.warn('the configuration asks for what is not done here', { file: file?.path, keys: unfollowed });
  if (replacedFlags.length > 0)
    log.warn('flags that the configuration file replaces', { flags: replacedFlags });
  if (ignoredFlags.length > 0) log.info('flags that do nothing here', { flags: ignoredFlags });
  if (mode === 'nftables' && options.configuration.nodePortAddresses.includes('localhost'))
    log.warn('node ports on the loopback are not served in mode nftables');
}

/** What takes full privileges, or is done once. */
async function initialize(options: ProxyOptions, log: Logger): Promise<void> {
  const parameters = conntrackParameters(
    options.configuration.conntrack,
    cpus().length || availableParallelism(),
  );
  setConntrack(parameters, log, options.procSys);
  if (options.mode === 'ipvs') {
    const { prepareIpvs } = await import('./ipvs/require.ts');
    await prepareIpvs(options.configuration.ipvs, log, options.procSys);
  }
  try {
    overwriteFile('/proc/self/oom_score_adj', String(options.configuration.oomScoreAdj));
  } catch (error) {
    log.debug('oom_score_adj stays as it is', { error });
  }
}

/** Removes what this node's state file lists, and nothing else. */
async function cleanUp(options: ProxyOptions, log: Logger): Promise<number> {
  const lock = tryLockIn(options.runDir);
  if (!lock)
    throw new Error('a proxy is running on this node and would program all of it again: stop it first');
  using _ = lock;
  const programmed = new ProgrammedModes(options.stateDir, log);
  if (programmed.isDamaged)
    throw new Error(
      `${programmed.path} cannot be read, and what is programmed is not known: remove that file, run the proxy once in the mode that ` +
        'it was in, which writes it anew, and then --cleanup again',
    );
  if (programmed.all.length === 0) log.info('there is nothing to remove', { path: programmed.path });
  const takenOver = await takenOverMode(options.metrics);
  for (const { mode, family } of programmed.all.filter((one) => one.mode === takenOver)) {
    log.info('a kube-proxy is at work in this mode, and what was ours is its: it stays', {
      mode,
      family: `IPv${family}`,
    });
    programmed.remove(mode, family);
  }
  return (await removeProgrammed(programmed, () => true, false, options, systemClock, log)) > 0 ? 1 : 0;
}

/** Two proxies on one node would fight; the kernel lets go of the lock however one ends. */
function onlyOne(directory: string): Disposable {
  const lock = tryLockIn(directory);
  if (!lock) throw new Error(`another proxy is running on this node (it holds ${directory}/proxy.lock)`);
  return lock;
}

function tryLockIn(directory: string): Disposable | undefined {
  mkdirp(directory, 0o700);
  return lockForLife(`${directory}/proxy.lock`);
}

function usage(): string {
  const groups = FLAG_GROUPS.map(({ title, flags }) => `${title}:\n${formatFlags(flags)}`).join('\n\n');
  return `underpod proxy: services reach their endpoints (in place of kube-proxy)

Usage: underpod proxy [FLAGS]

Programs what Services and EndpointSlices say, in nf_tables. It takes kube-proxy's
flags and its configuration file, which wins over them and whose changes are followed.
Without a way to an API server, services are those of the embedded store ("underpod
apply"). Flags may also stand in /etc/underpod/config.yaml, section "proxy:".

A change is programmed at once: minSyncPeriod binds where it is written and not the
default. SIGTERM leaves everything in the kernel; --cleanup takes it away.

${groups}
`;
}
