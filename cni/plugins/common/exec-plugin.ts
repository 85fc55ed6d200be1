/**
 * Plugins of other projects, executed from CNI_PATH. Ours never pass through here as delegates of each other: they
 * run in the same process.
 */

import { findProgram, runProgram } from '../../../shared/sys/run-program.ts';
import type { Environment } from '../../protocol/environment.ts';
import { environmentVariables } from '../../protocol/environment.ts';
import { invalidConfig, tryAgainLater } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { AddRequest, CheckRequest, DelRequest, Request, StatusRequest } from '../../protocol/plugin.ts';
import { decodePluginError, decodePluginResult } from '../../protocol/plugin-output.ts';
import type { Result } from '../../protocol/result.ts';
import type { AttachmentKey } from './attachment.ts';
import { attachmentHash } from './attachment.ts';
import { heldLockVariable } from './attachment-lock.ts';
import type { AddOptions, Delegate } from './delegate.ts';
import { gcHash } from './gc-journal.ts';
import type { Keep } from './keep.ts';

/** A plugin found by its type in CNI_PATH, at the time of each call. */
export function execPlugin(type: string): Delegate {
  const plugin: Delegate = {
    async add(request: AddRequest, { defer }: AddOptions = {}): Promise<Result> {
      const output = await execute(type, request, request.conf.raw, hashOf(request));
      defer?.(() => plugin.del({ ...request, env: { ...request.env, command: 'DEL' } }));
      return decodePluginResult(type, output, request.conf.cniVersion);
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
        keep.addRunning();
        if (keep.hasNameless) {
          // It knows attachments by their parts only, and would remove one that is alive.
          throw tryAgainLater(
            `GC of plugin ${type} was left out: an attachment is kept whose name nobody tells`,
            {
              details:
                'its interface could not be removed, or another call works on it: see the other errors',
            },
          );
        }
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
): Promise<string> {
  const { env, signal } = request;
  const answer = await runProgram({
    what: `plugin ${type} (${env.command})`,
    file: findPlugin(type, env.path),
    variables: childVariables(env, held),
    stdin: new TextEncoder().encode(JSON.stringify(conf)),
    signal,
  });
  if (answer.exitCode !== 0) throw decodePluginError(type, env.command, answer);
  return answer.stdout;
}

function findPlugin(type: string, path: readonly string[]): string {
  if (type === '' || type.includes('/')) throw invalidConfig(`${JSON.stringify(type)} is no plugin type`);
  const file = findProgram(type, path);
  if (file !== undefined) return file;
  throw invalidConfig(`no plugin ${JSON.stringify(type)} is in CNI_PATH (${path.join(':')})`, {
    details: 'install it there, or correct the type in the network configuration',
  });
}

/** The call's own variables in place of all of ours: GC and STATUS have fewer than the call that we were given. */
function childVariables(
  env: Exclude<Environment, { command: 'VERSION' }>,
  held: string | undefined,
): Record<string, string | undefined> {
  const ours = Object.keys(process.env).filter((name) => name.startsWith('CNI_'));
  return {
    ...Object.fromEntries(ours.map((name) => [name, undefined])),
    ...environmentVariables(env),
    ...(held === undefined ? {} : { [heldLockVariable]: held }),
  };
}
