import type { DelRequest } from '../../protocol/plugin.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { RuleRemoval } from '../common/rule-changes.ts';
import { readPlaces } from '../flannel/config.ts';
import { bareConfig, delByRendered } from '../flannel/del.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { delParts } from './attaching-parts.ts';
import { bridgeKeys } from './config.ts';

/**
 * DEL: the parts, the last one first, then the bridge, which takes all of them out of nf_tables in one transaction;
 * whatever fails keeps nothing else from being undone.
 */
export async function delUnderpod(request: DelRequest): Promise<void> {
  const errors = collectErrors('DEL');
  const removals: RuleRemoval[] = [];
  await delParts(request, removals, errors);
  await errors.tryAsync(() => delBridgePart(request, removals));
  // The delegate is another project's, or did not get as far.
  if (removals.length > 0) await errors.tryAsync(() => removeAlone(removals));
  errors.throwIfAny();
}

/** By what ADD kept, whatever the configuration says now: `ipam` may have come into it since, or gone. */
async function delBridgePart(request: DelRequest, along: RuleRemoval[]): Promise<void> {
  const { conf } = request;
  const bare = hasIpam(conf) ? asBridge(conf).raw : bareConfig(conf, bridgeKeys(conf));
  await delByRendered(request, readPlaces(conf).dataDir, bare, { along });
}

async function removeAlone(removals: readonly RuleRemoval[]): Promise<void> {
  await (await import('../common/remove-rules-alone.ts')).removeRulesAlone(removals);
}
