/** The parts besides bridge with all their operations: for CHECK, GC and STATUS. */

import type { CheckRequest, GcRequest, StatusRequest } from '../../protocol/plugin.ts';
import { bandwidth } from '../bandwidth/delegate.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Delegate } from '../common/delegate.ts';
import type { Keep } from '../common/keep.ts';
import { firewall } from '../firewall/delegate.ts';
import { portmap } from '../portmap/delegate.ts';
import { tuning } from '../tuning/delegate.ts';
import { askedParts, mayBeAsked, type Part, partConf, partConfLeniently, partEnv, parts } from './parts.ts';

const plugins: Readonly<Record<Part, Delegate>> = { portmap, bandwidth, firewall, tuning };

export async function checkParts(request: CheckRequest): Promise<void> {
  const { conf } = request;
  const env = partEnv(request.env);
  for (const part of askedParts(conf))
    await plugins[part].check({ ...request, env, conf: partConf(conf, part, conf.prevResult) });
}

/** Of every part that a pod may get: ports and limits any may ask for. */
export async function statusOfParts(request: StatusRequest): Promise<void> {
  const { conf } = request;
  for (const part of parts) {
    if (mayBeAsked(conf, part))
      await plugins[part].status({ ...request, conf: partConf(conf, part, undefined) });
  }
}

/** GC, first half, of every part: what the configuration no longer asks for may have been made while it did. */
export async function prepareGcParts(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  const errors = collectErrors('GC');
  const removals: ((keep: Keep) => unknown)[] = [];
  for (const part of parts) {
    const remove = await errors.tryAsync(() =>
      plugins[part].prepareGc({ ...request, conf: partConfLeniently(conf, part, undefined) }),
    );
    if (remove) removals.unshift(remove);
  }
  return async (keep) => {
    for (const remove of removals) await errors.tryAsync(() => remove(keep));
    errors.throwIfAny();
  };
}
