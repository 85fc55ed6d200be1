/** The agent's settings, checked and typed. Pure. */

import { goRegExp } from '../../shared/config/go-regexp.ts';
import type { Settings } from '../../shared/config/settings.ts';
import { UsageError } from '../../shared/config/usage-error.ts';
import { type Ip, parseIp } from '../../shared/ip/ip.ts';
import type { Level, LogFormat } from '../../shared/log/format.ts';
import { type DatastoreOptions, datastoreOptions } from './datastores/options.ts';
import { IGNORED_FLAGS } from './flags.ts';
import type { RuleBackend } from './rules/pod-rules.ts';

export interface AgentOptions {
  readonly node: string;
  readonly underlay: UnderlayOptions;
  readonly netConfigPath: string;
  /** Where the node's key lies, for a backend that has one. */
  readonly wireguardKeyFile: string;
  readonly subnetFile: string;
  readonly stateDir: string;
  readonly runDir: string;
  /** Where kernel parameters are, such as /proc/sys. */
  readonly procSys: string;
  readonly datastore: DatastoreOptions;
  readonly lease: { readonly ttlMs: number; readonly renewMarginMs: number };
  readonly rules: RuleOptions;
  readonly metrics: Endpoint & {
    /** Nobody asked for it: an agent that cannot serve there works without. */
    readonly isDefault: boolean;
  };
  readonly healthz: Endpoint;
  readonly repair: boolean;
  readonly log: { readonly level: Level; readonly format: LogFormat };
  /** Settings that were given and do nothing. */
  readonly ignored: readonly string[];
}

export interface UnderlayOptions {
  /** Names or addresses, tried in order. */
  readonly interfaces: readonly string[];
  readonly patterns: readonly RegExp[];
  readonly canReach?: Ip;
  readonly publicIp?: Ip;
  readonly publicIpV6?: Ip;
}

export interface RuleOptions {
  /** `undefined`: what net-conf.json says. */
  readonly backend?: RuleBackend;
  readonly ipMasq: boolean;
  readonly fullyRandom: boolean;
  readonly forward: boolean;
  readonly blackhole: boolean;
  readonly resyncMs: number;
}

export interface Endpoint {
  readonly address: string;
  /** 0: not served. */
  readonly port: number;
}

/** NODE_NAME, or the host's name in the lower case that the kubelet gives it. */
export function nodeName(
  environment: Readonly<Record<string, string | undefined>>,
  hostName: string,
): string {
  return environment['NODE_NAME'] || hostName.toLowerCase();
}

/** WIREGUARD_KEY_FILE, or flannel's default. */
export function wireguardKeyFile(environment: Readonly<Record<string, string | undefined>>): string {
  return environment['WIREGUARD_KEY_FILE'] || '/run/flannel/wgkey';
}

/** Checks settings. @throws UsageError that says what to write instead */
export function agentOptions(
  settings: Settings,
  node: string,
  keyFile: string = wireguardKeyFile({}),
): AgentOptions {
  const canReach = ip(settings, 'iface-can-reach');
  const publicIp = ip(settings, 'public-ip', 4);
  const publicIpV6 = ip(settings, 'public-ipv6', 6);
  const margin = settings.integer('subnet-lease-renew-margin');
  if (margin < 1 || margin > 1439)
    throw new UsageError('--subnet-lease-renew-margin must be 1 to 1439 minutes');
  const ttlMs = settings.duration('lease-ttl');
  if (ttlMs < 1000) throw new UsageError('--lease-ttl must be at least 1s');
  const resync = settings.integer('iptables-resync');
  if (resync < 1) throw new UsageError('--iptables-resync must be at least 1 second');
  const rules = settings.optional('rules');
  if (node === '') throw new UsageError('this machine has no host name: set NODE_NAME');
  return {
    node,
    underlay: {
      interfaces: settings.list('iface'),
      patterns: settings.list('iface-regex').map(pattern),
      ...(canReach && { canReach }),
      ...(publicIp && { publicIp }),
      ...(publicIpV6 && { publicIpV6 }),
    },
    netConfigPath: settings.string('net-config-path'),
    wireguardKeyFile: keyFile,
    subnetFile: settings.string('subnet-file'),
    stateDir: settings.string('state-dir'),
    runDir: settings.string('run-dir'),
    procSys: settings.string('proc-sys').replace(/\/+$/, ''),
    datastore: datastoreOptions(settings),
    lease: { ttlMs, renewMarginMs: margin * 60_000 },
    rules: {
      ...(rules !== undefined && { backend: rules as RuleBackend }),
      ipMasq: settings.boolean('ip-masq'),
      fullyRandom: !settings.boolean('ip-masq-fully-random-disable'),
      forward: settings.boolean('iptables-forward-rules'),
      blackhole: settings.boolean('ip-blackhole-route'),
      resyncMs: resync * 1000,
    },
    metrics: {
      address: settings.string('metrics-address'),
      port: port(settings, 'metrics-port'),
      isDefault: ['metrics-address', 'metrics-port'].every((name) => settings.source(name) === 'default'),
    },
    healthz: { address: settings.string('healthz-ip'), port: port(settings, 'healthz-port') },
    repair: settings.boolean('repair'),
    log: { level: level(settings), format: settings.string('log-format') as LogFormat },
    ignored: IGNORED_FLAGS.map(({ name }) => name).filter((name) => settings.source(name) !== 'default'),
  };
}

/** Level 4 is where Kubernetes' conventions for its log library put debugging. */
function level(settings: Settings): Level {
  if (settings.source('log-level') === 'default' && settings.integer('v') >= 4) return 'debug';
  return settings.string('log-level') as Level;
}

function ip(settings: Settings, name: string, family?: 4 | 6): Ip | undefined {
  const text = settings.optional(name);
  if (text === undefined) return undefined;
  const address = parseIp(text);
  const what = family === undefined ? 'an IP address' : `an IPv${family} address`;
  if (!address || (family !== undefined && address.family !== family)) {
    throw new UsageError(`--${name} must be ${what}, not "${text}"`);
  }
  return address;
}

function pattern(text: string): RegExp {
  try {
    return goRegExp(text);
  } catch (error) {
    throw new UsageError(`--iface-regex: "${text}" is no regular expression`, { cause: error });
  }
}

function port(settings: Settings, name: string): number {
  const number = settings.integer(name);
  if (number < 0 || number > 65535) throw new UsageError(`--${name} must be 0 to 65535, not ${number}`);
  return number;
}
