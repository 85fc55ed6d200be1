import type { DelRequest } from '../../protocol/plugin.ts';
import { attachingIpamOf } from '../common/attaching-ipam.ts';
import { collectErrors } from '../common/collect-errors.ts';
import { giveBack } from './give-back.ts';

/** The kernel takes milliseconds to end a namespace, on a node that is busy with it a second or two. */
const patienceMs = 5_000;

/**
 * DEL: the device before the addresses, so that no address is given to another pod while this one still has it, except
 * where they are given back through it. Whatever is missing is fine. Should the device have to stay in the container, its
 * addresses stay with it, until a DEL or GC that can give it back.
 */
export async function delHostDevice(request: DelRequest): Promise<void> {
  const { conf, env } = request;
  const errors = collectErrors('DEL');
  const type = conf.ipam?.type ?? '';
  const ipam = type === '' ? undefined : await errors.tryAsync(() => attachingIpamOf(type));
  if (ipam?.usesInterface) await errors.tryAsync(() => ipam.del(request));
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  let isGone = false;
  errors.try(() => {
    giveBack(key, { netns: env.netns, patienceMs });
    isGone = true;
  });
  if (isGone && ipam && !ipam.usesInterface) await errors.tryAsync(() => ipam.del(request));
  errors.throwIfAny();
}
