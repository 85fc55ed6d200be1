import type { GcRequest } from '../../protocol/plugin.ts';
import type { Delegate } from './delegate.ts';
import { Keep } from './keep.ts';

/** GC of a plugin in its delegate form: its halves one after the other, with the locks looked at before and after. */
export async function collectGarbage(delegate: Delegate, request: GcRequest): Promise<void> {
  const keep = new Keep(request.conf.name, request.valid);
  const remove = await delegate.prepareGc(request);
  keep.addRunning();
  await remove(keep);
}
