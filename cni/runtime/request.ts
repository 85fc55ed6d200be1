import type { JsonObject } from '../protocol/json.ts';
import type { Attachment } from '../protocol/net-conf.ts';
import type { Result } from '../protocol/result.ts';
import { encodeResult } from '../protocol/result-encode.ts';
import type { CniVersion } from '../protocol/version.ts';
import { goJson } from './go-json.ts';
import type { PluginConfig } from './network-config.ts';

/** One container's connection to a network: the parameters of the specification's section 3. */
export interface AttachmentParameters {
  readonly containerId: string;
  /** The namespace's path; absent on DEL when it is gone. */
  readonly netns?: string | undefined;
  readonly ifname: string;
  /** CNI_ARGS. */
  readonly args?: readonly (readonly [key: string, value: string])[] | undefined;
  /** Values for capabilities: a plugin that declares one gets its value in `runtimeConfig`. */
  readonly capabilityArgs?: JsonObject | undefined;
}

/** What goes into a plugin's stdin besides its own keys. */
export interface RequestParts {
  readonly name: string;
  readonly cniVersion: CniVersion;
  readonly prevResult?: Result | undefined;
  readonly capabilityArgs?: JsonObject | undefined;
  /** GC only: what to keep. */
  readonly valid?: readonly Attachment[] | undefined;
}

/** Derives the request configuration of one plugin, as bytes for its stdin. */
export function buildRequest(plugin: PluginConfig, parts: RequestParts): Uint8Array {
  const runtimeConfig = selectCapabilities(plugin, parts.capabilityArgs ?? {});
  const valid = parts.valid?.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }));
  const request: JsonObject = {
    ...plugin.raw,
    name: parts.name,
    cniVersion: parts.cniVersion,
    ...(parts.prevResult ? { prevResult: encodeResult(parts.prevResult, parts.cniVersion) } : {}),
    ...(Object.keys(runtimeConfig).length > 0 ? { runtimeConfig } : {}),
    // The second key is the one that the specification named first; libcni sends both.
    ...(valid ? { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid } : {}),
  };
  return new TextEncoder().encode(goJson(request));
}

/** The CNI_* variables of one call; all are set, as libcni sets them. */
export function buildVariables(
  command: string,
  path: readonly string[],
  attachment?: AttachmentParameters,
): Record<string, string> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: attachment?.containerId ?? '',
    CNI_NETNS: attachment?.netns ?? '',
    CNI_IFNAME: attachment?.ifname ?? '',
    CNI_ARGS: (attachment?.args ?? []).map(([key, value]) => `${key}=${value}`).join(';'),
    CNI_PATH: path.join(':'),
  };
}

function selectCapabilities(plugin: PluginConfig, values: JsonObject): JsonObject {
  const wanted = plugin.capabilities.filter((key) => Object.hasOwn(values, key));
  return Object.fromEntries(wanted.map((key) => [key, values[key]]));
}
