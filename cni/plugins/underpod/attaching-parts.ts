/** ADD and DEL of the parts besides bridge, each loaded only where it is asked for. */

import type { AddRequest, DelRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { ErrorCollector } from '../common/collect-errors.ts';
import type { AddOptions, AttachingDelegate } from '../common/delegate.ts';
import type { RuleRemoval } from '../common/rule-changes.ts';
import { mayBeAsked, type Part, partConf, partConfLeniently, partEnv, parts } from './parts.ts';

async function load(part: Part): Promise<AttachingDelegate> {
  switch (part) {
    case 'portmap':
      return (await import('../portmap/attach.ts')).portmapAttaching;
    case 'bandwidth':
      return (await import('../bandwidth/attach.ts')).bandwidthAttaching;
    case 'firewall':
      return (await import('../firewall/attach.ts')).firewallAttaching;
    case 'tuning':
      return (await import('../tuning/attach.ts')).tuningAttaching;
  }
}

/**
 * ADD of parts, one after the other with the result of the one before.
 *
 * @param collect takes what they want in nf_tables
 * @param defer takes what undoes more than their DEL does
 */
export async function addParts(
  request: AddRequest,
  asked: readonly Part[],
  bridged: Result,
  { collect, defer }: Required<Pick<AddOptions, 'collect' | 'defer'>>,
): Promise<Result> {
  const env = partEnv(request.env);
  let result = bridged;
  for (const part of asked) {
    const plugin = await load(part);
    const own = { ...request, env, conf: partConf(request.conf, part, result) };
    result = await plugin.add(own, { collect, defer });
  }
  return result;
}

/**
 * DEL of what may be there, the last one first. Errors are collected: each of the others must have its turn.
 *
 * @param removals takes what they want out of nf_tables
 */
export async function delParts(
  request: DelRequest,
  removals: RuleRemoval[],
  errors: ErrorCollector,
): Promise<void> {
  const { conf } = request;
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index] as Part;
    if (!mayBeAsked(conf, part)) continue;
    await errors.tryAsync(async () => {
      const plugin = await load(part);
      const own = { ...request, conf: partConfLeniently(conf, part, conf.prevResult) };
      await plugin.del(own, { collect: removals });
    });
  }
}
