import { formatIp } from '../../ip/ip.ts';
import {
  encodeIpSet,
  encodeIpSetCommand,
  encodeIpSetEntry,
  encodeIpSetNames,
  encodeIpSetType,
  IPSET,
  type IpSetEntry,
  type IpSetSpec,
  type IpSetType,
} from '../codec/ipset.ts';
import { NLM_F } from '../codec/message.ts';
import type { NetlinkRequest } from '../request.ts';

/** Makes a set. One that is there and the same is no error; EEXIST where it is of another type or size. */
export function createIpSet(spec: IpSetSpec): NetlinkRequest {
  const what = (): string => `make set ${spec.name}`;
  return { type: IPSET.CREATE, flags: NLM_F.CREATE, payload: encodeIpSet(spec), what };
}

/** Deletes a set. ENOENT where there is none; error 4100 (IPSET_ERR_BUSY) while a rule looks into it. */
export function destroyIpSet(name: string): NetlinkRequest {
  return {
    type: IPSET.DESTROY,
    flags: 0,
    payload: encodeIpSetCommand(name),
    what: () => `delete set ${name}`,
  };
}

/** Adds an entry; one that is there is no error. ENOENT where there is no such set. */
export function addIpSetEntry(name: string, entry: IpSetEntry): NetlinkRequest {
  const what = (): string => `add ${formatEntry(entry)} to set ${name}`;
  return { type: IPSET.ADD, flags: 0, payload: encodeIpSetEntry(name, entry), what };
}

/** Deletes an entry; one that is not there is no error. */
export function delIpSetEntry(name: string, entry: IpSetEntry): NetlinkRequest {
  const what = (): string => `delete ${formatEntry(entry)} of set ${name}`;
  return { type: IPSET.DEL, flags: 0, payload: encodeIpSetEntry(name, entry), what };
}

/** Asks for a set with its entries. For `dump`: ENOENT where there is none. */
export function listIpSet(name: string): NetlinkRequest {
  return {
    type: IPSET.LIST,
    flags: NLM_F.DUMP,
    payload: encodeIpSetCommand(name),
    what: () => `list set ${name}`,
  };
}

/** Asks for the names of all sets. For `dump`. */
export function listIpSetNames(): NetlinkRequest {
  return { type: IPSET.LIST, flags: NLM_F.DUMP, payload: encodeIpSetNames(), what: 'list sets' };
}

/** Asks for the revisions of a type. Error 4098 (IPSET_ERR_FIND_TYPE) where the kernel does not have it. */
export function getIpSetType(type: IpSetType, family: 4 | 6): NetlinkRequest {
  const what = `ask for sets of type ${type}`;
  return { type: IPSET.TYPE, flags: 0, payload: encodeIpSetType(type, family), replies: true, what };
}

/** For people, as the `ipset` program writes it: `10.96.0.1,tcp:443`. */
export function formatEntry({ ip, port, protocol, ip2, prefix2 }: IpSetEntry): string {
  const name = { 6: 'tcp:', 17: 'udp:', 132: 'sctp:' }[protocol ?? 0] ?? '';
  return [
    ip && formatIp(ip),
    port !== undefined && `${name}${port}`,
    ip2 && `${formatIp(ip2)}${prefix2 === undefined ? '' : `/${prefix2}`}`,
  ]
    .filter(Boolean)
    .join(',');
}
