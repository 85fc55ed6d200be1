import { readDir } from '../../shared/sys/directory.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import { readFile } from '../../shared/sys/file.ts';
import { type CniError, invalidConfig } from '../protocol/error.ts';
import { toCniError } from '../protocol/error-codes.ts';
import { parseJsonObject } from '../protocol/json.ts';
import type { NetworkConfig, PluginConfig } from './network-config.ts';
import { networkOfPlugin, parseNetworkConfig, parsePluginConfig } from './network-config.ts';

/** Where runtimes and administrators put network configurations. */
export const defaultConfDir = '/etc/cni/net.d';

/** A network and the file it came from. */
export interface LoadedNetwork {
  readonly file: string;
  readonly network: NetworkConfig;
}

/** What a directory holds: the usable networks, and the files that are none with the reason. */
export interface LoadedDirectory {
  readonly networks: readonly LoadedNetwork[];
  readonly problems: readonly { readonly file: string; readonly error: CniError }[];
}

/**
 * Reads every `*.conflist`, `*.conf` and `*.json` of a directory, in the order of their names: the first one is the
 * network of pods. A broken file does not keep the others from being used. A missing directory holds nothing.
 */
export function loadDirectory(dir: string): LoadedDirectory {
  const networks: LoadedNetwork[] = [];
  const problems: { file: string; error: CniError }[] = [];
  for (const file of confFiles(dir, ['.conflist', '.conf', '.json'])) {
    try {
      networks.push({ file, network: loadFile(file) });
    } catch (error) {
      problems.push({ file, error: toCniError(error) });
    }
  }
  return { networks, problems };
}

/**
 * The network `name` of a directory. Lists (`*.conflist`) win over single plugins (`*.conf`, `*.json`), then the first
 * file by name. Throws code 7 when there is none, with the files that could not be read in the details.
 */
export function loadNetwork(dir: string, name: string): NetworkConfig {
  const { networks, problems } = loadDirectory(dir);
  const matching = networks.filter(({ network }) => network.name === name);
  const chosen = matching.find(({ file }) => file.endsWith('.conflist')) ?? matching[0];
  if (chosen) return chosen.network;
  throw notFound(`no network ${JSON.stringify(name)} in ${dir}`, networks, problems);
}

/** The network that pods are attached to when nobody names one: that of the first usable file by name. */
export function loadDefaultNetwork(dir: string): NetworkConfig {
  const { networks, problems } = loadDirectory(dir);
  if (networks[0]) return networks[0].network;
  throw notFound(`no network configuration in ${dir}`, networks, problems);
}

/** Reads one file; its extension says whether it is a list. Throws CniError, or SyscallError for an unreadable file. */
export function loadFile(file: string): NetworkConfig {
  const network = file.endsWith('.conflist')
    ? withPluginFiles(parseNetworkConfig(readFile(file), file), file)
    : networkOfPlugin(loadPluginFile(file), file);
  if (network.plugins.length > 0) return network;
  throw invalidConfig(
    `${file}: no plugins: list some under "plugins" or in ${pluginDir(file, network.name)}`,
  );
}

/** Appends the plugins of the directory that is named like the network and lies beside its file (libcni 1.3). */
function withPluginFiles(network: NetworkConfig, file: string): NetworkConfig {
  if (network.loadOnlyInlinedPlugins) return network;
  const plugins = confFiles(pluginDir(file, network.name), ['.conf']).map(loadPluginFile);
  return plugins.length === 0 ? network : { ...network, plugins: [...network.plugins, ...plugins] };
}

function loadPluginFile(file: string): PluginConfig {
  return parsePluginConfig(parseJsonObject(readFile(file), file), file);
}

function pluginDir(file: string, name: string): string {
  return `${file.slice(0, file.lastIndexOf('/'))}/${name}`;
}

/** Files with one of `extensions`, in the order of their names; none when there is no such directory. */
function confFiles(dir: string, extensions: readonly string[]): string[] {
  try {
    return readDir(dir)
      .filter(({ name, type }) => type !== 'dir' && extensions.some((extension) => name.endsWith(extension)))
      .map(({ name }) => `${dir}/${name}`)
      .sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function notFound(
  message: string,
  networks: LoadedDirectory['networks'],
  problems: LoadedDirectory['problems'],
): CniError {
  const found = networks.map(({ network, file }) => `${network.name} (${file})`).join(', ');
  const broken = problems.map(({ error }) => error.message).join('; ');
  const details = [found && `found: ${found}`, broken && `not usable: ${broken}`].filter(Boolean).join('; ');
  return invalidConfig(message, {
    details: details || 'the directory has no .conflist, .conf or .json file',
  });
}
