import { DecodeError } from '../../netlink/codec/decode-error.ts';
import { u8 } from '../../netlink/codec/read.ts';
import { type Family, familyOf } from '../model/family.ts';

/** The family in the header of an nf_tables message. @throws DecodeError */
export function messageFamily(payload: Uint8Array): Family {
  const family = familyOf(u8(payload));
  if (family === undefined) throw new DecodeError(`no tables in family ${payload[0]}`);
  return family;
}
