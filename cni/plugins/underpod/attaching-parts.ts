/** ADD and DEL of the parts besides bridge, each loaded only where it is asked for. */

import type { AddRequest, DelRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { ErrorCollector } from '../common/collect-errors.ts';
import type { AttachingDelegate } from '../common/delegate.ts';
import type { RuleAddition, RuleRemoval } from '../common/rule-changes.ts';
import { isAsked, mayBeAsked, type Part, partConf, parts } from './parts.ts';

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

/** True where a pod needs more than the bridge. */
export function hasParts({ conf }: AddRequest): boolean {
  for (const part of parts) if (isAsked(conf, part)) return true;
  return false;
}

/**
 * ADD of what is asked for, one after the other with the result of the one before.
 *
 * @param rules takes what they want in nf_tables
 */
export async function addParts(request: AddRequest, bridged: Result, rules: RuleAddition[]): Promise<Result> {
  const { conf } = request;
  let result = bridged;
  for (const part of parts) {
    if (!isAsked(conf, part)) continue;
    const plugin = await load(part);
    result = await plugin.add({ ...request, conf: partConf(conf, part, result) }, { collect: rules });
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
      const own = { ...request, conf: partConf(conf, part, conf.prevResult) };
      await plugin.del(own, { collect: removals });
    });
  }
}
