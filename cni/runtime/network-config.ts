import { decodingFailure, invalidConfig } from '../protocol/error.ts';
import type { JsonObject } from '../protocol/json.ts';
import { parseJsonObject, readArray, readObject, readString, typeName } from '../protocol/json.ts';
import { networkNameProblem } from '../protocol/names.ts';
import { isSupportedVersion, supportedVersions } from '../protocol/version.ts';
import { goJson } from './go-json.ts';

/** One plugin's entry of a network configuration. */
export interface PluginConfig {
  readonly type: string;
  /** The entry's own name; '' in a list, where the network's name counts. */
  readonly name: string;
  readonly cniVersion: string;
  /** Those that the entry declares as true. */
  readonly capabilities: readonly string[];
  /** All keys, handed to the plugin unchanged but for what request.ts adds. */
  readonly raw: JsonObject;
}

/** A network: the plugins that make an attachment to it, in order. */
export interface NetworkConfig {
  readonly name: string;
  /** As written, '' when absent; cni-runtime.ts refuses unknown ones on use, so that others can be loaded. */
  readonly cniVersion: string;
  readonly disableCheck: boolean;
  readonly disableGc: boolean;
  /** Do not look for further plugins in the directory that is named like the network. */
  readonly loadOnlyInlinedPlugins: boolean;
  readonly plugins: readonly PluginConfig[];
  /** The file as it was read, for the result cache. */
  readonly bytes: Uint8Array;
}

/** Parses one plugin's entry, or a `.conf` file. Throws CniError 6 or 7 that begins with `what`. */
export function parsePluginConfig(raw: JsonObject, what: string): PluginConfig {
  const type = readString(raw['type'], `${what}: type`) ?? '';
  if (type === '') throw invalidConfig(`${what}: "type" is missing: it names the plugin to call`);
  if (type.includes('/')) throw invalidConfig(`${what}: type ${JSON.stringify(type)} must not contain "/"`);
  return {
    type,
    name: readString(raw['name'], `${what}: name`) ?? '',
    cniVersion: readString(raw['cniVersion'], `${what}: cniVersion`) ?? '',
    capabilities: readCapabilities(raw['capabilities'], `${what}: capabilities`),
    raw,
  };
}

/**
 * Parses a list of plugins (a `.conflist` file). Its plugins may all come from the network's directory (load.ts), so
 * there may be none here. Throws CniError 6 or 7 that begins with `what`.
 */
export function parseNetworkConfig(bytes: Uint8Array, what: string): NetworkConfig {
  const raw = parseJsonObject(bytes, what);
  const name = readString(raw['name'], `${what}: name`) ?? '';
  const problem = networkNameProblem(name);
  if (problem) throw invalidConfig(`${what}: network name ${JSON.stringify(name)} ${problem}`);
  const loadOnlyInlinedPlugins = readFlag(raw['loadOnlyInlinedPlugins'], `${what}: loadOnlyInlinedPlugins`);
  const entries = readArray(raw['plugins'], `${what}: plugins`);
  if (entries === undefined && loadOnlyInlinedPlugins) {
    throw invalidConfig(`${what}: loadOnlyInlinedPlugins is true, but there is no "plugins"`);
  }
  if (entries?.length === 0) throw invalidConfig(`${what}: "plugins" is empty: list at least one plugin`);
  return {
    name,
    cniVersion: chooseVersion(raw, what),
    disableCheck: readFlag(raw['disableCheck'], `${what}: disableCheck`),
    disableGc: readFlag(raw['disableGC'], `${what}: disableGC`),
    loadOnlyInlinedPlugins,
    plugins: (entries ?? []).map((entry, index) => parseEntry(entry, `${what}: plugins[${index}]`)),
    bytes,
  };
}

/** A list of the one plugin that a `.conf` file describes. */
export function networkOfPlugin(plugin: PluginConfig, what: string): NetworkConfig {
  const list = { name: plugin.name, cniVersion: plugin.cniVersion, plugins: [plugin.raw] };
  return parseNetworkConfig(new TextEncoder().encode(goJson(list)), what);
}

/**
 * The version to speak: the highest of `cniVersions` and `cniVersion` that is supported. As in libcni a list may name
 * versions of the future; they are passed over. Without any supported one it is `cniVersion` as written.
 */
function chooseVersion(raw: JsonObject, what: string): string {
  const single = readString(raw['cniVersion'], `${what}: cniVersion`) ?? '';
  const several = readArray(raw['cniVersions'], `${what}: cniVersions`);
  if (several === undefined) return single;
  const candidates = [
    ...several.map((entry, index) => readVersion(entry, `${what}: cniVersions[${index}]`)),
    single,
  ];
  return supportedVersions.findLast((version) => candidates.includes(version)) ?? single;
}

function readVersion(value: unknown, path: string): string {
  const text = readString(value, path) ?? '';
  if (isSupportedVersion(text) || /^\d+(\.\d+){0,2}$/.test(text)) return text;
  throw decodingFailure(`${path} must be a version such as "1.0.0", got ${typeName(value)}`);
}

function parseEntry(value: unknown, what: string): PluginConfig {
  const raw = readObject(value, what);
  if (raw === undefined) throw decodingFailure(`${what} must be an object, got null`);
  return parsePluginConfig(raw, what);
}

function readCapabilities(value: unknown, path: string): readonly string[] {
  const raw = readObject(value, path) ?? {};
  return Object.keys(raw).filter((key) => {
    const on = raw[key] ?? false;
    if (typeof on === 'boolean') return on;
    throw decodingFailure(`${path}.${key} must be true or false, got ${typeName(on)}`);
  });
}

/** A boolean, or (as libcni allows) its name as a string. */
function readFlag(value: unknown, path: string): boolean {
  const lower = typeof value === 'string' ? value.toLowerCase() : value;
  if (lower === undefined || lower === null || lower === false || lower === 'false') return false;
  if (lower === true || lower === 'true') return true;
  throw decodingFailure(`${path} must be true or false, got ${typeName(value)}`);
}
