/** `underpod agent`: puts the agent together and runs it until it is told to stop. */

import { writeSync } from 'node:fs';
import { version } from '../../package.json' with { type: 'json' };
import { readConfigSection } from '../../shared/config/file.ts';
import { formatFlags, parseArguments, parseBoolean } from '../../shared/config/flags.ts';
import { NetConfError } from '../../shared/config/net-conf.ts';
import { Settings } from '../../shared/config/settings.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import { systemClock } from '../../shared/daemon/clock.ts';
import { errorText } from '../../shared/log/format.ts';
import { createLogger, type Logger } from '../../shared/log/logger.ts';
import { isStoreRefused } from '../../shared/store/errors.ts';
import { mkdirp } from '../../shared/sys/file.ts';
import { lockForLife } from '../../shared/sys/lock.ts';
import { unmapExecutedCode } from '../../shared/sys/memory.ts';
import { hostname } from '../../shared/sys/process.ts';
import { sdNotify } from '../../shared/sys/sd-notify.ts';
import { Agent } from './agent.ts';
import { BACKEND_TYPES } from './backends/registry.ts';
import type { Datastore } from './datastores/datastore.ts';
import { openDatastore } from './datastores/open.ts';
import { locationOf } from './datastores/options.ts';
import { AGENT_FLAGS, FLAG_GROUPS } from './flags.ts';
import { instanceId } from './instance.ts';
import { LinuxKernel } from './kernel/linux-kernel.ts';
import { type AgentOptions, agentOptions, nodeName, wireguardKeyFile } from './options.ts';
import { type Served, serveAgentSocket, serveAgentTcp, type WhoIsServed } from './serve/http.ts';
import { Starting } from './serve/starting.ts';

/** Exit codes: 0 told to stop, 1 cannot work, 2 asked for something that cannot be. */
export async function main(args: string[]): Promise<number> {
  try {
    const parsed = parseArguments(args, AGENT_FLAGS);
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
    const settings = new Settings(AGENT_FLAGS, {
      flags: parsed.values,
      environment: process.env,
      environmentPrefix: 'FLANNELD_',
      file: readConfigSection('agent', config),
      fileName: `${config ?? '/etc/underpod/config.yaml'}, section agent`,
    });
    return await run(
      agentOptions(settings, nodeName(process.env, hostname()), wireguardKeyFile(process.env)),
    );
  } catch (error) {
    writeSync(2, `underpod agent: ${errorText(error)}\n`);
    return error instanceof UsageError || error instanceof NetConfError || isStoreRefused(error) ? 2 : 1;
  }
}

async function run(given: AgentOptions): Promise<number> {
  const log = createLogger('agent', given.log);
  log.info('starting', {
    version,
    node: given.node,
    datastore: given.datastore.type,
    because: given.datastore.why,
    location: locationOf(given.datastore),
  });
  if (isFlanneld() && given.datastore.type === 'embedded')
    log.warn(
      'flanneld would look for etcd on this machine: leases are in a file here, unless --datastore=etcd, an --etcd flag or --kube-subnet-mgr says otherwise',
    );
  if (given.ignored.length > 0)
    log.warn("flags of flanneld's log library do nothing here; see --log-level", { flags: given.ignored });
  const stop = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    log.info('stopping; devices, routes and rules stay', { signal: name });
    notify(log, 'STOPPING=1');
    stop.abort();
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);
  using stack = new DisposableStack();
  stack.use(onlyOne(given.runDir));
  // Before the datastore is open, which may take as long as a server is away: the kubelet's probes do not wait.
  const starting = new Starting(given);
  let served: Served = starting;
  const who = (): Served => served;
  stack.use(serveAgentSocket(who, given.runDir));
  if (given.healthz.port !== 0) stack.use(serveAgentTcp(who, given.healthz, true));
  if (given.metrics.port !== 0) stack.use(serveMetrics(who, given, log));
  await using datastore = await opened(given, log, stop.signal, starting);
  if (!datastore) return 0;
  const { registry, netConf, node = given.node, underlay = given.underlay } = datastore;
  const options = { ...given, node, underlay };
  if (netConf.unknownKeys.length > 0)
    log.warn('net-conf.json has keys that nobody reads', { keys: netConf.unknownKeys });
  const agent = new Agent({
    kernel: LinuxKernel.open({ procSys: options.procSys }),
    clock: systemClock,
    registry,
    log,
    options,
    netConf,
    instance: instanceId(options.stateDir),
    version,
    onReady: () => {
      notify(log, 'READY=1');
      datastore.onReady?.();
    },
    relax: () => {
      Bun.gc(true);
      unmapExecutedCode();
    },
  });
  served = agent;
  await agent.run(stop.signal);
  return 0;
}

/** The datastore; `undefined` where the agent was told to stop while it waited for one. */
async function opened(
  options: AgentOptions,
  log: Logger,
  signal: AbortSignal,
  starting: Starting,
): Promise<Datastore | undefined> {
  try {
    return await openDatastore(options, log.child('store'), signal, (why) => starting.waitsFor(why));
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

/** flanneld's users do not know of this port: where something else has it already, that is no reason not to start. */
function serveMetrics(who: WhoIsServed, { metrics }: AgentOptions, log: Logger): Disposable | undefined {
  try {
    return serveAgentTcp(who, metrics, false);
  } catch (error) {
    if (!metrics.isDefault) throw error;
    log.warn('metrics are served on the socket only; --metrics-port=PORT names another port, 0 none', {
      error,
    });
    return undefined;
  }
}

/** Called by the name that flannel's manifests have. */
function isFlanneld(): boolean {
  return process.argv0.slice(process.argv0.lastIndexOf('/') + 1) === 'flanneld';
}

/** Two agents on one node would fight; the kernel lets go of the lock however one ends. */
function onlyOne(directory: string): Disposable {
  mkdirp(directory, 0o700);
  const lock = lockForLife(`${directory}/agent.lock`);
  if (!lock) throw new Error(`another agent is running on this node (it holds ${directory}/agent.lock)`);
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
  const groups = FLAG_GROUPS.map(({ title, flags }) => `${title}:\n${formatFlags(flags)}`).join('\n\n');
  return `underpod agent: the node's part of the pod network (in place of flanneld)

Usage: underpod agent [FLAGS]

Registers the node, gets its subnet, writes subnet.env, builds the tunnel to the
other nodes and keeps all of it in order. The node's name is NODE_NAME or the host
name. Every flag may also stand in the environment (--ip-masq: FLANNELD_IP_MASQ) or
in /etc/underpod/config.yaml, section "agent:"; flags win.

Backend.Type in net-conf.json: ${BACKEND_TYPES.join(', ')}. WireGuard's
key is in WIREGUARD_KEY_FILE (default ${wireguardKeyFile({})}).

${groups}
`;
}
