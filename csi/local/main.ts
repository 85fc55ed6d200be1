/** `underpod csi local`: puts the driver of local volumes together and runs it until it is told to stop. */

import { writeSync } from 'node:fs';
import { version } from '../../package.json' with { type: 'json' };
import { readConfigSection } from '../../shared/config/file.ts';
import { formatFlags, parseArguments, parseBoolean } from '../../shared/config/flags.ts';
import { Settings } from '../../shared/config/settings.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import { systemClock } from '../../shared/daemon/clock.ts';
import { serveSocket } from '../../shared/daemon/http.ts';
import { Listener } from '../../shared/daemon/listener.ts';
import { errorText } from '../../shared/log/format.ts';
import { createLogger, type Logger } from '../../shared/log/logger.ts';
import { mkdirp } from '../../shared/sys/file.ts';
import { lockForLife } from '../../shared/sys/lock.ts';
import { hostname } from '../../shared/sys/process.ts';
import { GuardedCalls } from '../driver/calls.ts';
import { DriverMetrics } from '../driver/metrics.ts';
import { type Running, startProvisioner } from '../driver/provision/start.ts';
import { register } from '../driver/registration.ts';
import { serveDriver } from '../driver/serve.ts';
import { localDriver } from './driver.ts';
import { LOCAL_FLAGS } from './flags.ts';
import { localHttp } from './http.ts';
import { DRIVER_NAME } from './name.ts';
import { openParts } from './open.ts';
import { type LocalOptions, localOptions } from './options.ts';
import { volumesStatus } from './status.ts';
import { TOPOLOGY_KEY } from './topology-key.ts';

/** Exit codes: 0 told to stop, 1 cannot work, 2 asked for something that cannot be. */
export async function main(args: string[]): Promise<number> {
  if (args[0] === 'forget-node') return (await import('./forget/main.ts')).main(args.slice(1));
  if (args[0] === 'adopt') return (await import('./adopt/main.ts')).main(args.slice(1));
  try {
    const parsed = parseArguments(args, LOCAL_FLAGS);
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
    const config = parsed.values.get('config')?.at(-1);
    const settings = new Settings(LOCAL_FLAGS, {
      flags: parsed.values,
      environment: process.env,
      environmentPrefix: 'UNDERPOD_CSI_LOCAL_',
      file: readConfigSection('csi-local', config),
      fileName: `${config ?? '/etc/underpod/config.yaml'}, section csi-local`,
    });
    return await serve(localOptions(settings, process.env['NODE_NAME'] || hostname()));
  } catch (error) {
    writeSync(2, `underpod csi local: ${errorText(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function serve(options: LocalOptions): Promise<number> {
  const log = createLogger('csi-local', options.log);
  log.info('starting', { version, node: options.node, pools: [...options.pools.keys()] });
  const stop = Promise.withResolvers<NodeJS.Signals>();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.resolve(name));
  await using stack = new AsyncDisposableStack();
  mkdirp(options.runDir, 0o700);
  const lock = lockForLife(`${options.runDir}/csi-local.lock`);
  if (!lock)
    throw new Error(`another driver is running on this node (it holds ${options.runDir}/csi-local.lock)`);
  stack.use(lock);
  const parts = await openParts(options, log);
  stack.use(parts.jobs);
  const metrics = new DriverMetrics(DRIVER_NAME, 'underpod_csi_local_');
  const calls = new GuardedCalls(localDriver(parts, version), {
    log,
    onCall: (method, code, seconds) => metrics.called(method, code, seconds),
  });
  mkdirp(options.socket.slice(0, options.socket.lastIndexOf('/')), 0o750);
  stack.use(await serveDriver(calls, options.socket));
  if (options.registers) {
    const directory = `${options.kubeletDir}/plugins_registry`;
    stack.use(await register({ name: DRIVER_NAME, endpoint: options.socket, directory, log }));
  }
  const provisioner = options.provisions ? startFor(options, calls, log) : undefined;
  if (provisioner) stack.use(provisioner);
  const run = { version, pid: process.pid, startedAt: new Date().toISOString() };
  const http = localHttp({ parts, metrics, status: () => volumesStatus(parts, run, provisioner?.status()) });
  stack.use(serveSocket(options.runDir, 'csi-local.sock', http.socket));
  if (options.metrics.port !== 0)
    stack.use(
      new Listener({ clock: systemClock, log, what: 'metrics', ...options.metrics, answer: http.tcp }),
    );
  log.info('ready', { socket: options.socket });
  log.info('stopping; mounts and devices stay', { signal: await stop.promise });
  return 0;
}

function startFor(options: LocalOptions, calls: GuardedCalls, log: Logger): Running | undefined {
  return startProvisioner({
    calls,
    driver: DRIVER_NAME,
    node: { name: options.node, segments: { [TOPOLOGY_KEY]: options.node } },
    kubeconfig: options.kubeconfig,
    capacity: {
      namespace: process.env['POD_NAMESPACE'] || 'kube-system',
      ...(process.env['POD_NAME'] && { pod: process.env['POD_NAME'] }),
    },
    stateDir: options.stateDir,
    userAgent: `underpod/${version} csi-local`,
    log,
  });
}

function usage(): string {
  return `underpod csi local: local persistent volumes (in place of local-path and TopoLVM)

Usage: underpod csi local --pool=NAME=DIR [FLAGS]
       underpod csi local forget-node NODE     (--help tells more)
       underpod csi local adopt PV

Serves the Container Storage Interface as ${DRIVER_NAME} and makes itself known to
the kubelet. Every flag may also stand in the environment (--state-dir:
UNDERPOD_CSI_LOCAL_STATE_DIR) or in /etc/underpod/config.yaml, section "csi-local:";
flags win.

${formatFlags(LOCAL_FLAGS)}
`;
}
