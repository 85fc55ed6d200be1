import { RTM } from '../codec/constants.ts';
import { NLM_F } from '../codec/message.ts';
import { encodeFilter, encodeFilterKey, type Filter } from '../codec/tc/filter.ts';
import { encodeQdisc, encodeQdiscKey, type Qdisc } from '../codec/tc/qdisc.ts';
import type { NetlinkRequest } from '../request.ts';

/** Adds a queueing discipline. EEXIST when there is one of that handle at that place. */
export function newQdisc(qdisc: Qdisc): NetlinkRequest {
  const { index, options } = qdisc;
  return {
    type: RTM.NEWQDISC,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    payload: encodeQdisc(qdisc),
    what: () => `add qdisc ${options.kind === 'other' ? options.name : options.kind} to link ${index}`,
  };
}

/** Deletes what hangs at `parent`, with all below it and its filters. ENOENT (EINVAL before Linux 4.11) when nothing. */
export function delQdisc(key: Pick<Qdisc, 'index' | 'handle' | 'parent'>): NetlinkRequest {
  const what = (): string => `delete qdisc ${(key.handle >>> 16).toString(16)}: of link ${key.index}`;
  return { type: RTM.DELQDISC, flags: 0, payload: encodeQdiscKey(key), what };
}

/**
 * Asks for the queueing disciplines. The kernel tells those of all links whatever `index` says, and `tc` picks from them;
 * so must the caller. For `dump`.
 */
export function dumpQdiscs(index: number): NetlinkRequest {
  const payload = encodeQdiscKey({ index, handle: 0, parent: 0 });
  return { type: RTM.GETQDISC, flags: NLM_F.DUMP, payload, what: `list qdiscs of link ${index}` };
}

/** Adds a filter. EEXIST when there is one of that handle. */
export function newFilter(filter: Filter): NetlinkRequest {
  return {
    type: RTM.NEWTFILTER,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    payload: encodeFilter(filter),
    what: () => `add a filter to link ${filter.index}`,
  };
}

/** Asks for the filters of a queueing discipline. For `dump`. */
export function dumpFilters(key: Pick<Filter, 'index' | 'parent'>): NetlinkRequest {
  const payload = encodeFilterKey(key);
  return { type: RTM.GETTFILTER, flags: NLM_F.DUMP, payload, what: `list filters of link ${key.index}` };
}
