import type { Variables } from './environment.ts';
import { parseEnvironment } from './environment.ts';
import { type CniError, incompatibleVersion, invalidNetns, isCniError } from './error.ts';
import { toCniError } from './error-codes.ts';
import type { NetConf } from './net-conf.ts';
import { configTooLarge, parseNetConf } from './net-conf.ts';
import type { AddRequest, Attaching, Plugin } from './plugin.ts';
import type { Result } from './result.ts';
import { encodeResult } from './result-encode.ts';
import type { CniVersion } from './version.ts';
import { currentVersion, isAtLeast, supportedVersions } from './version.ts';

/** What a plugin's process is given, and the questions about the world that pure code cannot answer itself. */
export interface Call {
  readonly env: Variables;
  /**
   * Reads the configuration; not called for VERSION, nor before the environment is found valid. May throw any error;
   * a RangeError says that there are more than maxConfigBytes (net-conf.ts).
   */
  readonly stdin: () => Uint8Array;
  /** True when the path names the network namespace that the plugin runs in; false when it cannot be opened. */
  readonly isOwnNetns?: (path: string) => boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What the process is to write and how it is to exit. */
export interface Answer {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

const success: Answer = { stdout: '', stderr: '', exitCode: 0 };

/**
 * Runs one call of `plugin` (all of it, unless the call is surely an ADD or DEL) from environment and stdin to the text
 * on stdout. Never throws: every error becomes the
 * specification's JSON and exit code 1. Without CNI_COMMAND it says what the program is, on stderr, and exits 0.
 */
export async function dispatch(plugin: Attaching & Partial<Plugin>, call: Call): Promise<Answer> {
  // A failure before the configuration is read is answered in the present version.
  let version: CniVersion = currentVersion;
  try {
    if (!call.env['CNI_COMMAND']) return about(plugin);
    const env = parseEnvironment(call.env);
    if (env.command === 'VERSION') return { ...success, stdout: versionOutput() };

    const conf = parseNetConf(readConfig(call), {
      lenientPrevResult: env.command !== 'ADD' && env.command !== 'CHECK',
    });
    version = conf.cniVersion;
    const { signal } = call;
    switch (env.command) {
      case 'ADD':
        refuseOwnNetns(call, env.netns, env.netnsOverride);
        return { ...success, stdout: await addOutput(plugin, { env, conf, signal }) };
      case 'DEL':
        refuseOwnNetns(call, env.netns, env.netnsOverride);
        await plugin.del({ env, conf, signal });
        return success;
      case 'CHECK':
        requireVersionFor('CHECK', version, '0.4.0');
        await operation(plugin, 'check')({ env, conf, signal });
        return success;
      case 'GC':
        requireVersionFor('GC', version, '1.1.0');
        if (conf.validAttachments === undefined) return nothingCollected(conf);
        await operation(plugin, 'gc')({ env, conf, signal, valid: conf.validAttachments });
        return success;
      case 'STATUS':
        requireVersionFor('STATUS', version, '1.1.0');
        await operation(plugin, 'status')({ env, conf, signal });
        return success;
    }
  } catch (error) {
    return { stdout: errorOutput(toCniError(error), version), stderr: '', exitCode: 1 };
  }
}

/** The operation of a plugin that has all of them: who starts a process for one takes a plugin that has it. */
function operation<N extends 'check' | 'gc' | 'status'>(plugin: Partial<Plugin>, name: N): Plugin[N] {
  const found = plugin[name];
  if (found) return found.bind(plugin) as Plugin[N];
  throw new Error(`${plugin.type} was loaded without ${name}`);
}

/** What to print after an ADD. A result that the configuration's version cannot express is undone. */
async function addOutput(plugin: Attaching, request: AddRequest): Promise<string> {
  const result = await plugin.add(request);
  try {
    return resultOutput(result, request.conf.cniVersion);
  } catch (error) {
    try {
      await plugin.del({ ...request, env: { ...request.env, command: 'DEL' } });
    } catch (failure) {
      throw new AggregateError([error, failure], 'ADD failed, and so did undoing it: DEL will try again');
    }
    throw error;
  }
}

/** An error as the specification writes it, with a line end. */
export function errorOutput(error: CniError, version: CniVersion): string {
  const { code, message: msg, details } = error;
  return toText({ cniVersion: version, code, msg, ...(details ? { details } : {}) });
}

/** A result as the configuration's version writes it, with a line end. */
export function resultOutput(result: Result, version: CniVersion): string {
  return toText(encodeResult(result, version));
}

/**
 * The answer to VERSION. It names the present version whatever was asked, as the reference library does: reading
 * stdin for it would hang under runtimes that leave theirs open.
 */
export function versionOutput(): string {
  return `${JSON.stringify({ cniVersion: currentVersion, supportedVersions })}\n`;
}

function about(plugin: Attaching): Answer {
  const versions = `CNI protocol versions supported: ${supportedVersions.join(', ')}`;
  return { ...success, stderr: `${plugin.about}\n${versions}\n` };
}

function readConfig(call: Call): Uint8Array {
  try {
    return call.stdin();
  } catch (cause) {
    if (cause instanceof RangeError) throw configTooLarge();
    if (isCniError(cause)) throw cause;
    throw new Error('cannot read the network configuration from stdin', { cause });
  }
}

function refuseOwnNetns(call: Call, netns: string | undefined, override: boolean): void {
  // Before the plugin runs: with its own namespace as the container's it would change or delete the host's interfaces.
  if (override || netns === undefined || !call.isOwnNetns?.(netns)) return;
  throw invalidNetns(
    `CNI_NETNS ${JSON.stringify(netns)} is the network namespace that the plugin itself runs in`,
    {
      details: "pass the container's namespace, or set CNI_NETNS_OVERRIDE=1 if this is meant",
    },
  );
}

function requireVersionFor(command: string, version: CniVersion, since: CniVersion): void {
  if (isAtLeast(version, since)) return;
  throw incompatibleVersion(`CNI ${version} has no ${command}`, {
    details: `set cniVersion to ${since} or later in the conflist`,
  });
}

/**
 * A GC that does not say what is in use: to take that for nothing would cost every pod its network. It is no error,
 * because libcni leaves the key out where its caller gave it no list (cnitool's does) after a DEL for every attachment
 * that it knew of.
 */
function nothingCollected({ name }: NetConf): Answer {
  const line = `GC of network ${name}: no "cni.dev/valid-attachments", so nothing was removed; an empty list removes all`;
  return { ...success, stderr: `${line}\n` };
}

function toText(value: unknown): string {
  return `${JSON.stringify(value, null, 4)}\n`;
}
