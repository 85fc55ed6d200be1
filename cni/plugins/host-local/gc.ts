import type { NetConf } from '../../protocol/net-conf.ts';
import { collectErrors } from '../common/collect-errors.ts';
import type { Keep } from '../common/keep.ts';
import { readDirectory } from './config.ts';
import type { Reservation } from './store.ts';
import { AddressStore } from './store.ts';

/**
 * GC, first half: lists the addresses that are given out now. The function it returns releases those of them that are
 * not to be kept by then; what is given out in between stays.
 */
export function prepareGcHostLocal(conf: NetConf): (keep: Keep) => void {
  const store = new AddressStore(readDirectory(conf));
  if (!store.exists) return () => {};
  const found = [...store.reservations()];
  return (keep) => {
    const errors = collectErrors('release addresses');
    for (const reservation of found) errors.try(() => releaseStale(store, reservation, keep));
    errors.try(() => store.locked(() => store.removeTemporaries()));
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
  // An old record names no interface: any of its container's attachments may be its own.
  if (ifname === undefined ? keep.hasContainer(containerId) : keep.has(containerId, ifname)) return;
  using claim = keep.claim(containerId, ifname ?? 'eth0');
  if (!claim) return;
  store.locked(() => {
    // It may have been released and given to another meanwhile.
    const now = store.reservationOf(ip)?.owner;
    if (now?.containerId === containerId && now.ifname === ifname) store.release(ip);
  });
}
