/**
 * Plugins of other projects, executed from CNI_PATH. Ours never pass through here as delegates of each other: they
 * run in the same process.
 */

import { isRegular } from '../../../shared/sys/stat.ts';
import type { Environment } from '../../protocol/environment.ts';
import { environmentVariables } from '../../protocol/environment.ts';
import { CniError, invalidConfig, ioFailure } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { parseJsonObject, readString, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { AddRequest, CheckRequest, DelRequest, Request, StatusRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { decodeResult } from '../../protocol/result-decode.ts';
import type { AttachmentKey } from './attachment.ts';
import { attachmentHash } from './attachment.ts';
import { heldLockVariable } from './attachment-lock.ts';
import type { AddOptions, Delegate } from './delegate.ts';
import { gcHash } from './gc-journal.ts';
import type { Keep } from './keep.ts';
import { statOrUndefined } from './stat-or-undefined.ts';

/** Environment variables of Bun that would make an executable of ours run other code. */
const scrubbed = ['BUN_OPTIONS', 'BUN_BE_BUN'];

/** A plugin found by its type in CNI_PATH, at the time of each call. */
export function execPlugin(type: string): Delegate {
  const plugin: Delegate = {
    async add(request: AddRequest, { defer }: AddOptions = {}): Promise<Result> {
      const output = await execute(type, request, request.conf.raw, hashOf(request));
      defer?.(() => plugin.del({ ...request, env: { ...request.env, command: 'DEL' } }));
      return decodeResult(parseJsonObject(output, `the result of plugin ${type}`), {
        path: `result of plugin ${type}`,
        implicitVersion: request.conf.cniVersion,
      });
    },
    async del(request: DelRequest): Promise<void> {
      await execute(type, request, request.conf.raw, hashOf(request));
    },
    async check(request: CheckRequest): Promise<void> {
      await execute(type, request, request.conf.raw, hashOf(request));
    },
    async status(request: StatusRequest): Promise<void> {
      await execute(type, request, request.conf.raw);
    },
    prepareGc(request) {
      return async (keep: Keep): Promise<void> => {
        const attachments = keep.attachments.map(({ containerId, ifname }) => ({
          containerID: containerId,
          ifname,
        }));
        const conf = {
          ...request.conf.raw,
          'cni.dev/valid-attachments': attachments,
          'cni.dev/attachments': attachments,
        };
        await execute(type, request, conf, gcHash(request.conf.name));
      };
    },
  };
  return plugin;
}

function hashOf(request: { readonly conf: NetConf; readonly env: Omit<AttachmentKey, 'network'> }): string {
  const { containerId, ifname } = request.env;
  return attachmentHash({ network: request.conf.name, containerId, ifname });
}

async function execute(
  type: string,
  request: Request<Exclude<Environment, { command: 'VERSION' }>>,
  conf: JsonObject,
  held?: string,
): Promise<Uint8Array> {
  const { env, signal } = request;
  const child = Bun.spawn([findPlugin(type, env.path)], {
    env: childEnvironment(env, held),
    stdin: new TextEncoder().encode(JSON.stringify(conf)),
    stdout: 'pipe',
    stderr: 'pipe',
    ...(signal === undefined ? {} : { signal }),
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.bytes(),
    child.stderr.text(),
    child.exited,
  ]);
  if (exitCode === 0) return stdout;
  throw readError(type, stdout, stderr, exitCode);
}

function findPlugin(type: string, path: readonly string[]): string {
  if (type === '' || type.includes('/')) throw invalidConfig(`${JSON.stringify(type)} is no plugin type`);
  for (const directory of path) {
    const file = `${directory}/${type}`;
    const found = statOrUndefined(file);
    if (found && isRegular(found)) return file;
  }
  throw invalidConfig(`no plugin ${JSON.stringify(type)} is in CNI_PATH (${path.join(':')})`, {
    details: 'install it there, or correct the type in the network configuration',
  });
}

function childEnvironment(
  env: Exclude<Environment, { command: 'VERSION' }>,
  held: string | undefined,
): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !entry[0].startsWith('CNI_') && !scrubbed.includes(entry[0]),
  );
  return {
    ...Object.fromEntries(inherited),
    ...environmentVariables(env),
    ...(held === undefined ? {} : { [heldLockVariable]: held }),
  };
}

function readError(type: string, stdout: Uint8Array, stderr: string, exitCode: number): CniError {
  try {
    const raw = parseJsonObject(stdout, 'the error');
    const code = readUint(raw['code'], 'code') ?? 0;
    const message = readString(raw['msg'], 'msg') ?? '';
    if (code > 0) {
      return new CniError(code, `plugin ${type}: ${message}`, {
        details: readString(raw['details'], 'details'),
      });
    }
  } catch {
    // Not the specification's JSON: what it wrote is shown below.
  }
  const said = (stderr.trim() || new TextDecoder().decode(stdout).trim()).slice(-2000);
  return ioFailure(`plugin ${type} failed with exit code ${exitCode}`, { details: said });
}
