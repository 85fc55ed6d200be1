/** Which parts the kernel has, as far as files tell without loading anything. Pure. */

export type Presence = 'there' | 'loadable' | 'absent' | 'unknown';

/** A part's module and the name that it has in the kernel's configuration. */
export const FEATURES: Readonly<Record<string, string>> = {
  vxlan: 'CONFIG_VXLAN',
  wireguard: 'CONFIG_WIREGUARD',
  ipip: 'CONFIG_NET_IPIP',
  nf_tables: 'CONFIG_NF_TABLES',
  nf_nat: 'CONFIG_NF_NAT',
  br_netfilter: 'CONFIG_BRIDGE_NETFILTER',
};

export interface FeatureSources {
  /** Names in /sys/module. */
  readonly modules: readonly string[];
  /** modules.builtin of the running kernel. */
  readonly builtin: string | undefined;
  /** modules.dep of the running kernel. */
  readonly loadable: string | undefined;
  /** Its configuration. */
  readonly config: string | undefined;
}

/** For each feature; `unknown` where neither modules nor a configuration can be read, as in most containers. */
export function presences(sources: FeatureSources): Record<string, Presence> {
  return Object.fromEntries(
    Object.entries(FEATURES).map(([module, option]) => [module, presenceOf(module, option, sources)]),
  );
}

function presenceOf(module: string, option: string, sources: FeatureSources): Presence {
  const { modules, builtin, loadable, config } = sources;
  // Module files have hyphens where names have underscores, or not.
  const file = new RegExp(`/${module.replaceAll('_', '[-_]')}\\.ko`);
  if (modules.includes(module) || (builtin !== undefined && file.test(builtin))) return 'there';
  const configured =
    config === undefined ? undefined : new RegExp(`^${option}=([ym])$`, 'm').exec(config)?.[1];
  if (configured === 'y') return 'there';
  if (loadable !== undefined && file.test(loadable)) return 'loadable';
  if (config !== undefined && configured === undefined) return 'absent';
  // Built as a module that is not on this disk; without a configuration only a full list of modules tells.
  if (configured === 'm') return loadable === undefined ? 'unknown' : 'absent';
  return builtin !== undefined && loadable !== undefined ? 'absent' : 'unknown';
}
