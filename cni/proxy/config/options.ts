/** The proxy's settings, checked and typed. Pure. */

import type { Settings } from '../../../shared/config/settings.ts';
import { UsageError } from '../../../shared/config/usage-error.ts';
import { type Cidr, networkOf, parseCidr } from '../../../shared/ip/cidr.ts';
import type { Level, LogFormat } from '../../../shared/log/format.ts';
import type { Family } from '../model/endpoint.ts';
import type { LocalDetector } from '../model/service-port.ts';
import { parseBind, problemsOf } from './check.ts';
import { type Configuration, DEFAULT_MIN_SYNC_PERIOD, type ModeName, withDefaults } from './configuration.ts';
import type { Decoded } from './decode.ts';
import { IGNORED_FLAGS } from './flags.ts';
import { configurationOf, replacedFlags } from './from-flags.ts';

export interface ProxyOptions {
  /** The Node's name. */
  readonly node: string;
  readonly configuration: Configuration;
  readonly mode: ModeName;
  /** The mode was not written anywhere: where ours differs from kube-proxy's default is told. */
  readonly isModeDefault: boolean;
  readonly datastore: ProxyDatastore;
  readonly healthz: Bind | undefined;
  readonly metrics: Bind | undefined;
  /** Between two attempts at what the kernel refuses, in ms; healthz gives a change twice as long. */
  readonly syncPeriod: number;
  /** Least time between two changes of the kernel, in ms; 0: none. */
  readonly minSyncPeriod: number;
  readonly masqueradeBit: number;
  readonly masqueradeAll: boolean;
  /** Remove what kube-proxy left. */
  readonly removeKubeProxy: boolean;
  readonly stateDir: string;
  readonly runDir: string;
  readonly cniCacheDir: string;
  readonly procSys: string;
  readonly log: { readonly level: Level; readonly format: LogFormat };
  /** Keys of the file that nobody reads. */
  readonly unknownKeys: readonly string[];
  /** Flags that the file takes the place of, and such as do nothing. */
  readonly replacedFlags: readonly string[];
  readonly ignoredFlags: readonly string[];
}

export type ProxyDatastore = { readonly why: string } & (
  | { readonly type: 'embedded'; readonly path: string }
  | { readonly type: 'kubernetes'; readonly kubeconfig?: string; readonly master?: string }
);

export interface Bind {
  readonly address: string;
  readonly port: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param file what `--config` says, decoded
 * @param hostName the machine's own name, where nothing else names the node
 * @throws UsageError naming what is wrong and what to write
 */
export function proxyOptions(
  settings: Settings,
  file: (Pick<Decoded, 'unknownKeys'> & { readonly configuration: Configuration }) | undefined,
  environment: Environment,
  hostName: string,
): ProxyOptions {
  const configuration = file?.configuration ?? configurationOf(settings);
  const problems = problemsOf(configuration);
  if (problems.length > 0) {
    const where = file ? `${settings.string('config')}: ` : '';
    throw new UsageError(`${where}${problems.join('; ')}`);
  }
  const override = settings.string('hostname-override') || configuration.hostnameOverride;
  // As kube-proxy: Node names are in lower case.
  const node = (override || environment['NODE_NAME'] || hostName).trim().toLowerCase();
  if (node === '') throw new UsageError('the Node has no name: give --hostname-override');
  const mode = (configuration.mode || 'nftables') as ModeName;
  const { syncPeriod, minSyncPeriod, masqueradeBit, masqueradeAll } = choicesOf(configuration);
  return {
    node,
    configuration,
    mode,
    isModeDefault: configuration.mode === '',
    datastore: datastoreOf(settings, configuration, environment),
    healthz: parseBind(configuration.healthzBindAddress),
    metrics: parseBind(configuration.metricsBindAddress),
    syncPeriod,
    // A change costs what the change costs: the second that kube-proxy's syncs need between them is not waited for.
    minSyncPeriod: minSyncPeriod === DEFAULT_MIN_SYNC_PERIOD ? 0 : minSyncPeriod,
    masqueradeBit,
    masqueradeAll,
    removeKubeProxy: settings.boolean('remove-kube-proxy'),
    stateDir: settings.string('state-dir'),
    runDir: settings.string('run-dir'),
    cniCacheDir: settings.string('cni-cache-dir'),
    procSys: settings.string('proc-sys').replace(/\/+$/, ''),
    log: {
      level: level(settings, configuration),
      format: logFormat(settings, configuration),
    },
    unknownKeys: file?.unknownKeys ?? [],
    replacedFlags: file ? replacedFlags(settings) : [],
    ignoredFlags: IGNORED_FLAGS.map(({ name }) => name).filter((name) => settings.source(name) !== 'default'),
  };
}

/**
 * What of the modes' sections holds. Who names no mode wrote for kube-proxy, which takes iptables then: what that section says
 * counts, unless the one of nftables says something else.
 */
function choicesOf({ mode, iptables, ipvs, nftables }: Configuration): Configuration['nftables'] {
  if (mode === 'nftables') return nftables;
  if (mode === 'iptables') return iptables;
  // ipvs has no bit of its own.
  if (mode === 'ipvs') return { ...iptables, syncPeriod: ipvs.syncPeriod, minSyncPeriod: ipvs.minSyncPeriod };
  const { nftables: silent } = withDefaults({});
  const said = Object.entries(nftables).filter(
    ([key, value]) => value !== silent[key as keyof typeof silent],
  );
  return { ...iptables, ...Object.fromEntries(said) };
}

/** What the IPVS mode is told besides. Networks have been checked. */
export function ipvsChoicesOf({ ipvs }: Configuration): {
  readonly scheduler: string;
  readonly excluded: readonly Cidr[];
  readonly syncPeriod: number;
} {
  const { scheduler, excludeCIDRs, syncPeriod } = ipvs;
  // kube-proxy's choice where none is made.
  return { scheduler: scheduler || 'rr', excluded: cidrs(excludeCIDRs), syncPeriod };
}

function datastoreOf(
  settings: Settings,
  { clientConnection }: Configuration,
  environment: Environment,
): ProxyDatastore {
  const named = settings.optional('datastore');
  const kubeconfig = clientConnection.kubeconfig;
  const master = settings.optional('master');
  const why =
    named !== undefined
      ? '--datastore'
      : kubeconfig !== ''
        ? 'a kubeconfig is named'
        : master !== undefined
          ? '--master'
          : environment['KUBERNETES_SERVICE_HOST']
            ? "the pod's service account"
            : undefined;
  if (named === 'embedded' || why === undefined)
    return {
      type: 'embedded',
      why: why ?? 'the default: nothing leads to an API server',
      path: settings.string('store'),
    };
  return {
    type: 'kubernetes',
    why,
    ...(kubeconfig !== '' && { kubeconfig }),
    ...(master !== undefined && { master }),
  };
}

/** Level 4 is where Kubernetes' conventions for its log library put debugging. */
function level(settings: Settings, { logging }: Configuration): Level {
  const verbosity = settings.source('v') === 'default' ? logging.verbosity : settings.integer('v');
  if (settings.source('log-level') === 'default' && verbosity >= 4) return 'debug';
  return settings.string('log-level') as Level;
}

function logFormat(settings: Settings, { logging }: Configuration): LogFormat {
  if (settings.source('log-format') === 'default' && logging.format === 'json') return 'json';
  return settings.string('log-format') as LogFormat;
}

/** What a family's settings depend on, besides the options. */
export interface NodeFacts {
  /** spec.podCIDRs. */
  readonly podCidrs: readonly Cidr[];
  /** The Node's own addresses: status.addresses, InternalIP before ExternalIP. */
  readonly addresses: readonly Cidr[];
}

/** The detector of one family; `nothing` where the mode names none for it. */
export function localDetectorOf(
  { detectLocalMode, detectLocal, clusterCIDR }: Configuration,
  family: Family,
  podCidrs: readonly Cidr[],
): LocalDetector {
  const bySource = (networks: readonly Cidr[]): LocalDetector => {
    const own = networks.filter(({ ip }) => ip.family === family);
    return own.length > 0 ? { by: 'source', networks: own } : { by: 'nothing' };
  };
  switch (detectLocalMode) {
    case 'NodeCIDR':
      return bySource(podCidrs);
    case 'BridgeInterface':
      return { by: 'bridge', name: detectLocal.bridgeInterface };
    case 'InterfaceNamePrefix':
      return { by: 'interface-prefix', prefix: detectLocal.interfaceNamePrefix };
    default:
      return bySource(cidrs(clusterCIDR.split(',')));
  }
}

/**
 * Where node ports of a family are served. As in kube-proxy, a family for which nothing is named has them everywhere.
 *
 * @param primary the Node's own address of that family, as a network of one
 */
export function nodePortAddressesOf(
  options: Pick<ProxyOptions, 'configuration' | 'mode' | 'isModeDefault'>,
  family: Family,
  primary: Cidr | undefined,
): 'all' | readonly Cidr[] {
  const { configuration, mode, isModeDefault } = options;
  const given = configuration.nodePortAddresses;
  // Who wrote `mode: nftables` gets kube-proxy's default for it; who wrote nothing what the default mode gives there.
  const words = given.length === 0 && mode === 'nftables' && !isModeDefault ? ['primary'] : given;
  if (words.length === 0 || words.includes('all')) return 'all';
  const networks = cidrs(words).filter(({ ip }) => ip.family === family);
  if (words.includes('primary') && primary) networks.push(primary);
  if (words.includes('primary') || words.includes('localhost')) return networks;
  return networks.length === 0 || networks.some(({ prefix }) => prefix === 0) ? 'all' : networks;
}

function cidrs(texts: readonly string[]): Cidr[] {
  return texts
    .map((text) => parseCidr(text.trim()))
    .filter((network) => network !== undefined)
    .map(networkOf);
}
