import { NLM_F } from '../codec/message.ts';
import { encodeNfCounterName, NFACCT } from '../codec/nfacct.ts';
import type { NetlinkRequest } from '../request.ts';

/** Makes a counter. EBUSY where there is one (net/netfilter/nfnetlink_acct.c). */
export function newNfCounter(name: string): NetlinkRequest {
  return {
    type: NFACCT.NEW,
    flags: NLM_F.CREATE,
    payload: encodeNfCounterName(name),
    what: () => `make counter ${name}`,
  };
}

/** Asks for a counter. ENOENT where there is none. */
export function getNfCounter(name: string): NetlinkRequest {
  return {
    type: NFACCT.GET,
    flags: 0,
    payload: encodeNfCounterName(name),
    replies: true,
    what: () => `read counter ${name}`,
  };
}

/** Deletes a counter. ENOENT where there is none; EBUSY while a rule counts into it. */
export function delNfCounter(name: string): NetlinkRequest {
  return {
    type: NFACCT.DEL,
    flags: 0,
    payload: encodeNfCounterName(name),
    what: () => `delete counter ${name}`,
  };
}
