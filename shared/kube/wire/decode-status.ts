/** A refusal in protobuf, which comes where a list was asked for in that form. Pure. */

import { Status as StatusMessage, Unknown } from '#messages/kubernetes';
import { decode } from '../../grpc/wire/decode.ts';
import { WireError } from '../../grpc/wire/schema.ts';
import type { Status } from '../types.ts';
import { decodeObject } from './decode-object.ts';
import { MAGIC } from './proto-list-scanner.ts';

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

/** @throws WireError */
export function decodeStatus(bytes: Uint8Array): Partial<Status> {
  if (!MAGIC.every((byte, at) => bytes[at] === byte))
    throw new WireError('it does not begin as an answer in protobuf does');
  const { raw } = decode(Unknown, bytes.subarray(MAGIC.length));
  const { status: _, ...rest } = decodeObject(StatusMessage, raw);
  return { kind: 'Status', ...rest };
}
