import type { Ip } from '../../../shared/ip/ip.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import { readDirectory } from './config.ts';
import type { Owner } from './record.ts';
import type { Reservation } from './store.ts';
import { AddressStore } from './store.ts';

/**
 * GC, first half: lists the addresses that are given out now. The function it returns releases those of them that are
 * not to be kept by then; what is given out in between stays.
 */
export function prepareGcHostLocal(conf: NetConf): (keep: Keep) => void {
  const store = new AddressStore(readDirectory(conf));
  if (!store.exists) return () => {};
  const found = store.reservations();
  return (keep) => {
    const errors = collectErrors('release addresses');
    for (const reservation of found) errors.try(() => releaseStale(store, reservation, keep));
    errors.try(() => store.locked(() => store.removeTemporaries()));
    errors.try(() => store.cleanIndex(found));
    if (!store.isIndexed) errors.try(() => store.completeIndex());
    errors.throwIfAny();
  };
}

function releaseStale(store: AddressStore, { ip, owner }: Reservation, keep: Keep): void {
  if (owner === undefined) {
    // Empty: a power cut took the content. Under the lock nobody is just writing it.
    store.locked(() => {
      const now = store.reservationOf(ip);
      if (now && now.owner === undefined) store.release(ip);
    });
    return;
  }
  const { containerId, ifname } = owner;
  if (ifname === undefined) {
    // An old record names no interface: any of its container's attachments may be its own. We never write one.
    if (!keep.hasContainer(containerId)) releaseOwned(store, ip, owner);
    return;
  }
  if (keep.has(containerId, ifname)) return;
  using claim = keep.claim(containerId, ifname);
  if (claim) releaseOwned(store, ip, owner);
}

function releaseOwned(store: AddressStore, ip: Ip, owner: Owner): void {
  store.locked(() => {
    // It may have been released and given to another meanwhile.
    const now = store.reservationOf(ip)?.owner;
    if (now?.containerId === owner.containerId && now.ifname === owner.ifname) store.release(ip);
    store.forget(owner);
  });
}
