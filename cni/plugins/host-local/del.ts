import type { Ip } from '../../../shared/ip/ip.ts';
import type { Attachment } from '../../protocol/net-conf.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import { readDirectory } from './config.ts';
import { matchOwner } from './record.ts';
import { AddressStore } from './store.ts';

/**
 * DEL: gives back all that the attachment holds, whatever ranges and prevResult say: an ADD that was killed may have
 * taken addresses besides those of the one that succeeded. Nothing held is fine.
 *
 * All files are looked at before the directory is locked, so that nobody waits for that. What the attachment holds
 * does not change meanwhile: the runtime makes no other call for it, and ours would wait for the attachment's lock.
 */
export function delHostLocal({ conf, env }: DelRequest): void {
  const store = new AddressStore(readDirectory(conf));
  if (!store.exists) return;
  const { candidates, hasTemporaries } = store.scan(env.containerId);
  if (candidates.length === 0 && !hasTemporaries) return;
  store.locked(() => {
    for (const ip of heldBy(store, candidates, env)) store.release(ip);
    if (hasTemporaries) store.removeTemporaries();
  });
}

function heldBy(store: AddressStore, candidates: readonly Ip[], attachment: Attachment): readonly Ip[] {
  const exact: Ip[] = [];
  const legacy: Ip[] = [];
  for (const ip of candidates) {
    const match = matchOwner(store.reservationOf(ip)?.owner, attachment);
    if (match === 'exact') exact.push(ip);
    else if (match === 'legacy') legacy.push(ip);
  }
  // An old record names no interface; upstream takes it for ours only where no newer one is.
  return exact.length > 0 ? exact : legacy;
}
