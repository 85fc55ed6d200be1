import type { Ip } from '../../../shared/ip/ip.ts';
import { formatIp, ipEquals } from '../../../shared/ip/ip.ts';
import { readText } from '../../../shared/sys/file.ts';
import { invalidConfig, ioFailure, tryAgainLater } from '../../protocol/error.ts';
import type { Attachment } from '../../protocol/net-conf.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Dns, IpConfig, Result } from '../../protocol/result.ts';
import type { AddOptions } from '../common/delegate.ts';
import type { Candidate } from './allocator.ts';
import { Candidates } from './allocator.ts';
import type { HostLocalConfig } from './config.ts';
import { readHostLocalConfig } from './config.ts';
import type { RangeSet } from './ranges.ts';
import { describeRanges, rangeFor } from './ranges.ts';
import { parseResolvConf } from './resolv-conf.ts';
import { AddressStore } from './store.ts';

/**
 * ADD: one address out of every range set, all or none.
 *
 * A caller that knows the attachment to be new saves reading the file of every address that is given out. Should an
 * ADD that was killed have left one to it, the attachment gets another, and DEL gives back both.
 */
export function addHostLocal(request: AddRequest, options: AddOptions = {}): Result {
  const { conf, env } = request;
  const config = readHostLocalConfig(conf, env.args);
  const dns = config.resolvConf === undefined ? {} : readDns(config.resolvConf);
  const store = new AddressStore(config.directory);
  store.create();
  if (!options.isNew) refuseDuplicate(store, config, env);
  const ips = store.locked(() => reserveAll(store, config, env));
  options.defer?.(() => {
    store.locked(() => releaseAll(store, ips, env));
  });
  return { interfaces: [], ips, routes: config.routes, dns };
}

function reserveAll(store: AddressStore, config: HostLocalConfig, attachment: Attachment): IpConfig[] {
  const wanted = uniqueIps(config.requested);
  const ips: IpConfig[] = [];
  try {
    for (const set of config.rangeSets) {
      const requested = takeRequested(wanted, set);
      const index = ips.length;
      const { ip, range } =
        requested === undefined
          ? reserveNext(store, set, index, attachment)
          : reserveRequested(store, set, index, attachment, requested);
      ips.push({ address: { ip, prefix: range.subnet.prefix }, gateway: range.gateway });
    }
    if (wanted.length > 0) throw refuseRequested(wanted, config);
    return ips;
  } catch (error) {
    releaseAll(store, ips, attachment);
    throw error;
  }
}

function releaseAll(store: AddressStore, ips: readonly IpConfig[], attachment: Attachment): void {
  for (const { address } of ips) store.release(address.ip);
  store.forget(attachment);
}

/** Takes the first of the addresses asked for that the set contains off the list. */
function takeRequested(wanted: Ip[], set: RangeSet): Ip | undefined {
  for (let index = 0; index < wanted.length; index++) {
    const ip = wanted[index];
    if (ip && rangeFor(set, ip)) {
      wanted.splice(index, 1);
      return ip;
    }
  }
  return undefined;
}

function refuseRequested(wanted: readonly Ip[], config: HostLocalConfig): Error {
  const ranges = config.rangeSets.map(describeRanges).join('; ');
  return invalidConfig(`the requested ${wanted.map(formatIp).join(', ')} cannot be given out`, {
    details: `each range set gives one address and must contain it; configured: ${ranges}`,
  });
}

function reserveNext(store: AddressStore, set: RangeSet, index: number, attachment: Attachment): Candidate {
  const last = store.lastReserved(index);
  // Nearly always the first one is free; only when not, the marks are read.
  const first = new Candidates(set, last).next();
  if (first && store.reserve(first.ip, attachment, index)) return first;
  const found = reserveUnmarked(store, set, index, attachment, last);
  if (found) return found;
  const again = new Candidates(set, last);
  for (let candidate = again.next(); candidate; candidate = again.next()) {
    if (store.reservationOf(candidate.ip)?.owner !== undefined) continue;
    // Empty: a power cut took the content. Nobody is writing it now, for the lock is ours.
    store.release(candidate.ip);
    if (store.reserve(candidate.ip, attachment, index)) return candidate;
  }
  throw tryAgainLater(`no address is free in ${describeRanges(set)}`, {
    details:
      `every one has a file in ${store.directory}: delete pods, widen the range, ` +
      'or let the runtime call GC to release those of pods that are gone',
  });
}

/** So many misses in a row tell that the marks know little, and that reading the directory is cheaper from here on. */
const maxMisses = 64;

/** Walks the range by what is marked as taken; then, should all of it be, by what really is. */
function reserveUnmarked(
  store: AddressStore,
  set: RangeSet,
  index: number,
  attachment: Attachment,
  last: Ip | undefined,
): Candidate | undefined {
  const marks = store.marks();
  let misses = 0;
  for (const isSure of [false, true]) {
    if (isSure) {
      marks.clear();
      marks.markAll(store.names());
    }
    const candidates = new Candidates(set, last);
    for (let candidate = candidates.next(); candidate; candidate = candidates.next()) {
      const run = marks.run(candidate.ip);
      if (run > 0) {
        candidates.skip(run - 1);
        continue;
      }
      if (store.reserve(candidate.ip, attachment, index)) {
        marks.save();
        return candidate;
      }
      marks.mark(candidate.ip);
      misses++;
      if (misses === maxMisses) marks.markAll(store.names());
    }
  }
  marks.save();
  return undefined;
}

function reserveRequested(
  store: AddressStore,
  set: RangeSet,
  index: number,
  attachment: Attachment,
  ip: Ip,
): Candidate {
  const range = rangeFor(set, ip);
  if (!range) throw new Error('unreachable: the set was chosen because it contains the address');
  if (ipEquals(ip, range.gateway)) {
    throw invalidConfig(`the requested ${formatIp(ip)} is the gateway: request another address`);
  }
  if (store.reserve(ip, attachment, index)) return { ip, range };
  const owner = store.reservationOf(ip)?.owner;
  if (owner === undefined) {
    store.release(ip);
    if (store.reserve(ip, attachment, index)) return { ip, range };
  }
  throw tryAgainLater(
    `the requested ${formatIp(ip)} is taken by container ${owner?.containerId ?? '(unknown)'}`,
    {
      details: `its file is in ${store.directory}: delete that pod or request another address`,
    },
  );
}

/**
 * An attachment gets its addresses once; a second ADD without a DEL would leak the first ones. Looked for before the
 * directory is locked: no other call for the attachment runs, as ours hold its lock.
 */
function refuseDuplicate(store: AddressStore, config: HostLocalConfig, attachment: Attachment): void {
  const { candidates, isLong } = store.find(attachment);
  if (isLong) store.completeIndex();
  for (const ip of store.heldBy(candidates, attachment)) {
    if (!config.rangeSets.some((set) => rangeFor(set, ip))) continue;
    const { containerId, ifname } = attachment;
    throw invalidConfig(`${formatIp(ip)} has already been given to ${ifname} of container ${containerId}`, {
      details: 'an attachment is added once: call DEL before the next ADD',
    });
  }
}

function readDns(path: string): Dns {
  try {
    return parseResolvConf(readText(path));
  } catch (cause) {
    throw ioFailure(`ipam.resolvConf: cannot read ${path}: correct the path or remove the key`, { cause });
  }
}

/** Loops, not callbacks: the first use of one of an array's own functions costs a fresh process 55 µs. */
function uniqueIps(ips: readonly Ip[]): Ip[] {
  const unique: Ip[] = [];
  for (const ip of ips) if (!includesIp(unique, ip)) unique.push(ip);
  return unique;
}

function includesIp(ips: readonly Ip[], ip: Ip): boolean {
  for (const other of ips) if (ipEquals(other, ip)) return true;
  return false;
}
