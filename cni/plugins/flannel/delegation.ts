/**
 * What the types flannel and underpod share: a delegate gets a configuration made of subnet.env, and DEL gives it the
 * same one, read from the disk.
 */

import { isErrno } from '../../../shared/sys/errno.ts';
import { readText } from '../../../shared/sys/file.ts';
import { sweepTemporaries } from '../../../shared/sys/sweep.ts';
import { isCniError, tryAgainLater } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { netConfFromObject } from '../../protocol/net-conf.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { bridgeAttaching } from '../bridge/attach.ts';
import type { AddOptions, AttachingDelegate } from '../common/delegate.ts';
import type { Keep } from '../common/keep.ts';
import { delegateType } from './config.ts';
import type { Rendered } from './rendered.ts';
import { isOfAnother, RenderedConfigs } from './rendered.ts';
import type { SubnetEnv } from './subnet-env.ts';
import { parseSubnetEnv } from './subnet-env.ts';

/** Reads subnet.env. Throws code 11 while the network agent has not written it, 7 for what cannot be read in it. */
export function readSubnetEnv(path: string): SubnetEnv {
  let text: string;
  try {
    text = readText(path);
  } catch (cause) {
    if (!isErrno(cause, 'ENOENT', 'ENOTDIR')) throw cause;
    throw tryAgainLater(`${path} is missing: the network agent has not written it yet`, {
      details:
        'start "underpod agent" (or flanneld) on this node, or see its log; pods start once the file is there',
      cause,
    });
  }
  return parseSubnetEnv(text, path);
}

/** The plugin of a delegate's type, for ADD and DEL: ours in this process. */
export async function attachingDelegateOf(type: string): Promise<AttachingDelegate> {
  if (type === 'bridge') return bridgeAttaching;
  const { execPlugin } = await import('../common/exec-plugin.ts');
  return execPlugin(type);
}

/**
 * ADD by a rendered configuration, which is kept before the delegate makes anything.
 *
 * @param durable whether it is to survive a power cut
 * @param options for the delegate
 */
export async function addByRendered(
  request: AddRequest,
  dataDir: string,
  rendered: JsonObject,
  durable: boolean,
  options: AddOptions = {},
): Promise<Result> {
  const conf = netConfFromObject(rendered);
  const delegate = await attachingDelegateOf(delegateType(rendered));
  const files = new RenderedConfigs(dataDir);
  const forget = files.save(request.env.containerId, rendered, durable);
  try {
    return await delegate.add({ ...request, conf }, options);
  } catch (error) {
    // The delegate has undone what it did.
    forget();
    throw error;
  }
}

/**
 * The rendered configuration that a container was added by, as its delegate is to get it now: prevResult comes from
 * the present call. Undefined where there is none that can be read, or only another network's: a container has one file.
 */
export function readRendered(
  rendered: Rendered | undefined,
  conf: NetConf,
): { readonly type: string; readonly conf: NetConf } | undefined {
  if (rendered === undefined || rendered === 'corrupt' || isOfAnother(rendered, conf.name)) return undefined;
  const { prevResult } = conf.raw;
  const raw = prevResult === undefined ? rendered : { ...rendered, prevResult };
  try {
    return { type: delegateType(rendered), conf: netConfFromObject(raw, { lenientPrevResult: true }) };
  } catch (error) {
    // JSON, but no configuration: as good as corrupt.
    if (isCniError(error)) return undefined;
    throw error;
  }
}

/**
 * GC, first half: lists the network's rendered configurations. The function it returns forgets those of containers
 * of which nothing is to be kept.
 */
export function prepareGcRendered(dataDir: string, network: string): (keep: Keep) => void {
  const files = new RenderedConfigs(dataDir);
  const found = files.containersOf(network);
  return (keep) => {
    for (const containerId of found) {
      if (keep.hasContainer(containerId) || files.load(containerId) === undefined) continue;
      files.remove(containerId);
    }
    sweepTemporaries(dataDir);
  };
}
