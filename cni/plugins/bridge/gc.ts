import type { GcRequest } from '../../protocol/plugin.ts';
import { prepareGcVeth } from '../common/gc-veth.ts';
import type { Keep } from '../common/keep.ts';
import { readMacSpoofCheck } from './config.ts';

/** GC, first half: what is the bridge's own beside gc-veth.ts. */
export function prepareGcBridge(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  return prepareGcVeth(request, async () =>
    readMacSpoofCheck(conf)
      ? (await import('./spoof-check-gc.ts')).prepareGcMacSpoofCheck(conf.name)
      : undefined,
  );
}
