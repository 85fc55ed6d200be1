import type { Ip } from '../../../shared/ip/ip.ts';
import type { Attachment, NetConf } from '../../protocol/net-conf.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import { readDirectory } from './config.ts';
import { matchOwner } from './record.ts';
import { AddressStore } from './store.ts';

/** DEL: gives back what the attachment holds, whatever the ranges say now. Nothing held is fine. */
export function delHostLocal(request: DelRequest): void {
  const { conf, env } = request;
  const store = new AddressStore(readDirectory(conf));
  if (!store.exists) return;
  store.locked(() => {
    if (releaseKnown(store, conf, env)) return;
    releaseAll(store, env);
  });
}

/**
 * Releases what prevResult names, without reading the other addresses' files. True when that was all: ADD gives one
 * address per range set, so as many were found as there are sets.
 */
function releaseKnown(store: AddressStore, conf: NetConf, attachment: Attachment): boolean {
  const expected = countRangeSets(conf);
  let released = 0;
  for (const { address } of conf.prevResult?.ips ?? []) {
    if (matchOwner(store.reservationOf(address.ip)?.owner, attachment) !== 'exact') continue;
    store.release(address.ip);
    released++;
  }
  return expected > 0 && released >= expected;
}

function releaseAll(store: AddressStore, attachment: Attachment): void {
  const exact: Ip[] = [];
  const legacy: Ip[] = [];
  for (const { ip, owner } of store.reservations()) {
    const match = matchOwner(owner, attachment);
    if (match === 'exact') exact.push(ip);
    else if (match === 'legacy') legacy.push(ip);
  }
  // An old record names no interface; upstream takes it for ours only where no newer one is.
  for (const ip of exact.length > 0 ? exact : legacy) store.release(ip);
  store.removeTemporaries();
}

/** As many as the configuration has now, without checking them: a broken range must not keep DEL from its work. */
function countRangeSets(conf: NetConf): number {
  const length = (value: unknown): number => (Array.isArray(value) ? value.length : 0);
  const raw = conf.ipam?.raw ?? {};
  return length(conf.runtimeConfig['ipRanges']) + length(raw['ranges']) + (raw['subnet'] ? 1 : 0);
}
