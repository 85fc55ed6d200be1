import { formatCidr } from '../../ip/cidr.ts';
import { type AddressSpec, encodeAddress, encodeAddressFilter } from '../codec/address.ts';
import { RTM } from '../codec/constants.ts';
import { NLM_F } from '../codec/message.ts';
import type { NetlinkRequest } from '../request.ts';

/** Adds an address to an interface. EEXIST when it has it. */
export function newAddress(spec: AddressSpec): NetlinkRequest {
  return request(RTM.NEWADDR, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Adds an address, or changes its flags and life time where the interface has it. */
export function replaceAddress(spec: AddressSpec): NetlinkRequest {
  return request(RTM.NEWADDR, NLM_F.CREATE | NLM_F.REPLACE, 'replace', spec);
}

/** Takes an address from an interface. EADDRNOTAVAIL when it does not have it. */
export function delAddress(spec: AddressSpec): NetlinkRequest {
  return request(RTM.DELADDR, 0, 'delete', spec);
}

/** Asks for all addresses, or those of one family, of one interface. For `dump`. */
export function dumpAddresses(
  filter: { readonly family?: 4 | 6; readonly index?: number } = {},
): NetlinkRequest {
  return {
    type: RTM.GETADDR,
    flags: NLM_F.DUMP,
    payload: encodeAddressFilter(filter),
    what: 'list addresses',
  };
}

function request(type: number, flags: number, verb: string, spec: AddressSpec): NetlinkRequest {
  const what = (): string => `${verb} address ${formatCidr(spec.address)} of link number ${spec.index}`;
  return { type, flags, payload: encodeAddress(spec), what };
}
