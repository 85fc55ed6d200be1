/** The parts besides bridge with all their operations: for CHECK, GC and STATUS. */

import type { CheckRequest, GcRequest, StatusRequest } from '../../protocol/plugin.ts';
import { bandwidth } from '../bandwidth/delegate.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Delegate } from '../common/delegate.ts';
import type { Keep } from '../common/keep.ts';
import { portmap } from '../portmap/delegate.ts';
import { isAsked, type Part, partConf, parts } from './parts.ts';

const plugins: Readonly<Record<Part, Delegate>> = { portmap, bandwidth };

export async function checkParts(request: CheckRequest): Promise<void> {
  const { conf } = request;
  for (const part of parts) {
    if (isAsked(conf, part))
      await plugins[part].check({ ...request, conf: partConf(conf, part, conf.prevResult) });
  }
}

/** Every part's, asked for or not: any pod may ask for ports and limits. */
export async function statusOfParts(request: StatusRequest): Promise<void> {
  const { conf } = request;
  for (const part of parts) {
    if (part === 'portmap' || part === 'bandwidth' || isAsked(conf, part)) {
      await plugins[part].status({ ...request, conf: partConf(conf, part, undefined) });
    }
  }
}

/** GC, first half, of every part: what the configuration no longer asks for may have been made while it did. */
export async function prepareGcParts(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const removals: ((keep: Keep) => unknown)[] = [];
  for (const part of parts) {
    removals.push(
      await plugins[part].prepareGc({ ...request, conf: partConf(request.conf, part, undefined) }),
    );
  }
  return async (keep) => {
    const errors = collectErrors('GC');
    for (const remove of removals.reverse()) await errors.tryAsync(() => remove(keep));
    errors.throwIfAny();
  };
}
