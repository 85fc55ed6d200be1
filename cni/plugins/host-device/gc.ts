import type { GcRequest } from '../../protocol/plugin.ts';
import { collectErrors } from '../common/collect-errors.ts';
import { ipamOf } from '../common/ipam.ts';
import type { Keep } from '../common/keep.ts';
import { giveBack } from './give-back.ts';
import { listTaken } from './record.ts';

/**
 * GC, first half: lists the devices that the network's attachments took, and by IPAM their addresses. The function it
 * returns gives back what is not to be kept. Upstream's are not told apart from other networks', and stay.
 */
export async function prepareGcHostDevice(request: GcRequest): Promise<(keep: Keep) => Promise<void>> {
  const { conf } = request;
  const errors = collectErrors('GC');
  const type = conf.ipam?.type ?? '';
  const ipam = type === '' ? undefined : await errors.tryAsync(() => ipamOf(type));
  const removeAddresses = await errors.tryAsync(() => ipam?.prepareGc(request));
  const taken = errors.try(() => listTaken(conf.name)) ?? [];
  return async (keep) => {
    if (ipam?.usesInterface) await errors.tryAsync(() => removeAddresses?.(keep));
    for (const { key } of taken) {
      if (keep.has(key.containerId, key.ifname)) continue;
      errors.try(() => {
        using claim = keep.claim(key.containerId, key.ifname);
        if (claim) giveBack(key, { patienceMs: 0 });
      });
    }
    // Whoever has a device now has been added since, or could not be made to give it back: its addresses are in use.
    errors.try(() => {
      for (const { key } of listTaken(conf.name)) keep.add(key);
    });
    if (!ipam?.usesInterface) await errors.tryAsync(() => removeAddresses?.(keep));
    errors.throwIfAny();
  };
}
