import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { bridgeAttaching } from '../bridge/attach.ts';
import type { AddOptions } from '../common/delegate.ts';
import { Rollback } from '../common/rollback.ts';
import type { RuleAddition } from '../common/rule-changes.ts';
import { readPlaces, renderDelegate } from '../flannel/config.ts';
import { addByRendered, readSubnetEnv } from '../flannel/delegation.ts';
import { RenderedConfigs } from '../flannel/rendered.ts';
import { asBridge, hasIpam } from './as-bridge.ts';
import { addParts } from './attaching-parts.ts';
import { bridgeKeys } from './config.ts';
import { delUnderpod } from './del.ts';
import { askedParts } from './parts.ts';
import { refuseUnsupported } from './refuse.ts';

/**
 * ADD: the bridge, then what else the pod or the configuration asks for; all or nothing. What they want in nf_tables comes
 * last, in one transaction.
 */
export async function addUnderpod(request: AddRequest): Promise<Result> {
  const { conf, env } = request;
  refuseUnsupported(conf);
  const asked = askedParts(conf);
  if (asked.length === 0) return await addBridgePart(request);
  const rules: RuleAddition[] = [];
  const bridged = await addBridgePart(request, { collect: rules });
  const rollback = new Rollback();
  const undo = {
    ...request,
    conf: { ...conf, prevResult: bridged },
    env: { ...env, command: 'DEL' as const },
  };
  rollback.defer(() => delUnderpod(undo));
  try {
    const defer = (undo: () => unknown): void => rollback.defer(undo);
    const result = await addParts(request, asked, bridged, { collect: rules, defer });
    if (rules.length > 0) (await import('../common/add-rules.ts')).addRules(rules);
    for (const { afterwards } of rules) await afterwards?.();
    return result;
  } catch (error) {
    return await rollback.fail(error);
  }
}

/** As flannel with bridge as its delegate, or as bridge where the configuration has `ipam`. */
async function addBridgePart(request: AddRequest, options: AddOptions = {}): Promise<Result> {
  const { conf } = request;
  if (hasIpam(conf)) return await bridgeAttaching.add({ ...request, conf: asBridge(conf) }, options);
  RenderedConfigs.requireUsable(request.env.containerId);
  const { subnetFile, dataDir } = readPlaces(conf);
  const config = { delegate: bridgeKeys(conf), ipam: {} };
  const rendered = renderDelegate(conf, config, readSubnetEnv(subnetFile));
  // Not durable: our DEL does without the file, and a power cut takes the interfaces as well.
  return await addByRendered(request, dataDir, rendered, false, options);
}
