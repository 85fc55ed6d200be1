import { incompatibleVersion, invalidConfig, isCniError } from '../protocol/error.ts';
import { toCniError } from '../protocol/error-codes.ts';
import { containerIdProblem, ifnameProblem } from '../protocol/names.ts';
import type { Attachment } from '../protocol/net-conf.ts';
import { decodePluginError, decodePluginResult, decodeVersions } from '../protocol/plugin-output.ts';
import type { Result } from '../protocol/result.ts';
import { encodeResult } from '../protocol/result-encode.ts';
import { isAtLeast, requireVersion } from '../protocol/version.ts';
import { ExecRunner } from './exec-runner.ts';
import type { NetworkConfig, PluginConfig } from './network-config.ts';
import type { PluginCall, PluginRunner } from './plugin-runner.ts';
import type { AttachmentParameters, RequestParts } from './request.ts';
import { buildRequest, buildVariables } from './request.ts';
import type { CachedAttachment } from './result-cache.ts';
import { ResultCache } from './result-cache.ts';

/** What a CniRuntime works with. */
export interface RuntimeOptions {
  /** CNI_PATH: directories with plugins. */
  readonly path: readonly string[];
  /** Runs the plugins; processes unless given. */
  readonly runner?: PluginRunner;
  /** Default /var/lib/cni. */
  readonly cacheDir?: string;
  /** The longest that one plugin may take, in milliseconds; no limit unless given. A plugin that exceeds it is killed. */
  readonly pluginTimeoutMs?: number;
  /** Hears what plugins that succeeded wrote to stderr, and of cache files that cannot be used. */
  readonly onNotice?: (text: string) => void;
}

/**
 * Attaches containers to networks by calling plugins, as libcni 1.3 does. The caller sees to it that no two calls for
 * one container run at once, and that no ADD or DEL runs during a GC. Errors are CniErrors with the plugin's code.
 */
export class CniRuntime {
  readonly #options: RuntimeOptions;
  readonly #runner: PluginRunner;
  readonly #cache: ResultCache;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#runner = options.runner ?? new ExecRunner();
    this.#cache = new ResultCache(options.cacheDir);
  }

  /**
   * Calls ADD of each plugin in order, handing results on, and caches the last one. After a failure nothing is
   * undone: call `del`, as the specification wants it.
   */
  async add(network: NetworkConfig, attachment: AttachmentParameters, signal?: AbortSignal): Promise<Result> {
    const cniVersion = requireVersion(network.cniVersion, `network ${network.name}`);
    requireAttachment(attachment);
    let result: Result | undefined;
    for (const plugin of network.plugins) {
      const parts = {
        name: network.name,
        cniVersion,
        prevResult: result,
        capabilityArgs: attachment.capabilityArgs,
      };
      const stdout = await this.#call('ADD', plugin, parts, attachment, signal);
      result = decodePluginResult(plugin.type, stdout, cniVersion);
    }
    if (result === undefined) throw invalidConfig(`network ${network.name} has no plugins`);
    const cached = { ...attachment, networkName: network.name, config: network.bytes };
    this.#cache.write({ ...cached, result: encodeResult(result, cniVersion) });
    return result;
  }

  /**
   * Calls DEL of each plugin in reverse order with the cached result, and forgets it. Stops at the first failure, so
   * that a repetition has the result still. An unreadable cache file is removed, and plugins do without.
   */
  async del(network: NetworkConfig, attachment: AttachmentParameters, signal?: AbortSignal): Promise<void> {
    const cniVersion = requireVersion(network.cniVersion, `network ${network.name}`);
    requireAttachment(attachment);
    const prevResult = isAtLeast(cniVersion, '0.4.0')
      ? this.#cachedResultOrNone(network, attachment)
      : undefined;
    const parts = { name: network.name, cniVersion, prevResult, capabilityArgs: attachment.capabilityArgs };
    for (const plugin of network.plugins.toReversed()) {
      await this.#call('DEL', plugin, parts, attachment, signal);
    }
    this.#cache.remove(network.name, attachment);
  }

  /** Calls CHECK of each plugin in order; returns at once when the network disables it. From 0.4.0 on. */
  async check(network: NetworkConfig, attachment: AttachmentParameters, signal?: AbortSignal): Promise<void> {
    const cniVersion = requireVersion(network.cniVersion, `network ${network.name}`);
    if (!isAtLeast(cniVersion, '0.4.0')) {
      throw incompatibleVersion(`network ${network.name} has CNI ${cniVersion}, which has no CHECK`, {
        details: 'set cniVersion to 0.4.0 or later in the conflist',
      });
    }
    requireAttachment(attachment);
    if (network.disableCheck) return;
    const prevResult = this.#cache.readResult(network.name, attachment);
    const parts = { name: network.name, cniVersion, prevResult, capabilityArgs: attachment.capabilityArgs };
    for (const plugin of network.plugins) await this.#call('CHECK', plugin, parts, attachment, signal);
  }

  /**
   * Removes what is left of attachments that are not in `valid`: DEL for each that the cache knows of, then GC of each
   * plugin (from 1.1.0 on). Goes on after failures and throws an AggregateError at the end. Does nothing when the
   * network disables it.
   */
  async gc(network: NetworkConfig, valid: readonly Attachment[], signal?: AbortSignal): Promise<void> {
    const cniVersion = requireVersion(network.cniVersion, `network ${network.name}`);
    if (network.disableGc) return;
    const errors: unknown[] = [];
    const collect = async (action: () => Promise<unknown>): Promise<void> => {
      signal?.throwIfAborted();
      try {
        await action();
      } catch (error) {
        errors.push(error);
      }
    };
    for (const stale of this.#staleAttachments(network, valid)) {
      await collect(() => this.del(network, stale, signal));
    }
    if (isAtLeast(cniVersion, '1.1.0')) {
      const parts = { name: network.name, cniVersion, valid };
      for (const plugin of network.plugins) {
        await collect(() => this.#call('GC', plugin, parts, undefined, signal));
      }
    }
    await collect(async () => this.#cache.sweep());
    if (errors.length > 0) throw new AggregateError(errors, `GC of network ${network.name}`);
  }

  /** Asks each plugin whether it could serve an ADD; throws the first one's refusal. From 1.1.0 on, else silent. */
  async status(network: NetworkConfig, signal?: AbortSignal): Promise<void> {
    const cniVersion = requireVersion(network.cniVersion, `network ${network.name}`);
    if (!isAtLeast(cniVersion, '1.1.0')) return;
    const parts = { name: network.name, cniVersion };
    for (const plugin of network.plugins) await this.#call('STATUS', plugin, parts, undefined, signal);
  }

  /** The versions that a plugin says it supports. */
  async versions(type: string, signal?: AbortSignal): Promise<readonly string[]> {
    // Plugins of before 0.2.0 know no VERSION, and want all variables even to say so.
    const dummy = { containerId: 'dummy', netns: 'dummy', ifname: 'dummy' };
    const call: PluginCall = {
      type,
      path: this.#options.path,
      variables: buildVariables('VERSION', this.#options.path, dummy),
      stdin: new TextEncoder().encode('{"cniVersion":"1.1.0"}'),
      signal,
    };
    try {
      return decodeVersions(type, await this.#run(call));
    } catch (error) {
      if (isCniError(error) && error.message.includes('unknown CNI_COMMAND: VERSION')) return ['0.1.0'];
      throw error;
    }
  }

  /** Throws code 1 unless every plugin is there and supports the network's version. */
  async validate(network: NetworkConfig, signal?: AbortSignal): Promise<void> {
    const cniVersion = requireVersion(network.cniVersion, `network ${network.name}`);
    for (const { type } of network.plugins) {
      const versions = await this.versions(type, signal);
      if (versions.includes(cniVersion)) continue;
      throw incompatibleVersion(
        `plugin ${type} does not support CNI ${cniVersion} of network ${network.name}`,
        {
          details: `it supports ${versions.join(', ')}`,
        },
      );
    }
  }

  /** What was cached at the ADD: configuration and parameters, for a DEL after the configuration was changed. */
  cachedAttachment(networkName: string, attachment: Attachment): CachedAttachment | undefined {
    return this.#cache.read(networkName, attachment);
  }

  /** All cached attachments, or those of one container. */
  cachedAttachments(containerId?: string): CachedAttachment[] {
    const onProblem = (problem: string): void => this.#options.onNotice?.(problem);
    return this.#cache.list({ ...(containerId === undefined ? {} : { containerId }), onProblem });
  }

  #staleAttachments(network: NetworkConfig, valid: readonly Attachment[]): CachedAttachment[] {
    // Ids and names hold no zero byte.
    const keep = new Set(valid.map(({ containerId, ifname }) => `${containerId}\0${ifname}`));
    return this.cachedAttachments().filter(
      (one) => one.networkName === network.name && !keep.has(`${one.containerId}\0${one.ifname}`),
    );
  }

  #cachedResultOrNone(network: NetworkConfig, attachment: AttachmentParameters): Result | undefined {
    try {
      return this.#cache.readResult(network.name, attachment);
    } catch (error) {
      this.#options.onNotice?.(`${toCniError(error).message}: removed, DEL goes on without it`);
      this.#cache.remove(network.name, attachment);
      return undefined;
    }
  }

  async #call(
    command: string,
    plugin: PluginConfig,
    parts: RequestParts,
    attachment: AttachmentParameters | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const { path } = this.#options;
    const variables = buildVariables(command, path, attachment);
    return await this.#run({
      type: plugin.type,
      path,
      variables,
      stdin: buildRequest(plugin, parts),
      signal,
    });
  }

  async #run(call: PluginCall): Promise<string> {
    const { pluginTimeoutMs, onNotice } = this.#options;
    const limits = [
      call.signal,
      pluginTimeoutMs === undefined ? undefined : AbortSignal.timeout(pluginTimeoutMs),
    ];
    const signal = AbortSignal.any(limits.filter((limit) => limit !== undefined));
    const answer = await this.#runner.run({ ...call, signal });
    if (answer.exitCode !== 0)
      throw decodePluginError(call.type, call.variables['CNI_COMMAND'] ?? '', answer);
    if (answer.stderr.trim() !== '') onNotice?.(`plugin ${call.type}: ${answer.stderr.trim()}`);
    return answer.stdout;
  }
}

function requireAttachment({ containerId, ifname }: AttachmentParameters): void {
  const problem = containerIdProblem(containerId);
  if (problem) throw invalidConfig(`container id ${JSON.stringify(containerId)} ${problem}`);
  const ifnameIs = ifnameProblem(ifname);
  if (ifnameIs) throw invalidConfig(`interface name ${JSON.stringify(ifname)} ${ifnameIs}`);
}
