import { parseAttributes } from './attributes.ts';
import { DecodeError } from './decode-error.ts';
import { text, u16, u32 } from './read.ts';
import { type ByteWriter, encoded } from './wire.ts';

/** Size of struct genlmsghdr: cmd u8, version u8, reserved u16 (linux/genetlink.h). */
export const GENERIC_HEADER = 4;

/** nlmsg_type of the family that tells of the others (GENL_ID_CTRL, linux/genetlink.h). */
export const CONTROL_FAMILY = 0x10;

/** Commands of that family (linux/genetlink.h), and the version that `wg` gives. */
export const CTRL_CMD = { NEWFAMILY: 1, GETFAMILY: 3 } as const;
const CTRL_VERSION = 1;

/** Attributes CTRL_ATTR_* of linux/genetlink.h. */
const CTRL = { FAMILY_ID: 1, FAMILY_NAME: 2, VERSION: 3 } as const;

/** A family of generic netlink. */
export interface GenericFamily {
  /** What its messages have as nlmsg_type; given by the kernel as it was started. */
  readonly id: number;
  readonly name: string;
  readonly version: number;
}

/** Starts a message of any family. */
export function writeGenericHeader(writer: ByteWriter, command: number, version: number): void {
  writer.u8(command);
  writer.u8(version);
  writer.u16(0);
}

/** The payload of a CTRL_CMD_GETFAMILY. */
export function encodeFamilyQuery(name: string): Uint8Array {
  return encoded((writer) => {
    writeGenericHeader(writer, CTRL_CMD.GETFAMILY, CTRL_VERSION);
    writer.attrString(CTRL.FAMILY_NAME, name);
  }, undefined);
}

/** The payload of a CTRL_CMD_NEWFAMILY. @throws DecodeError, also when it tells no number or no name */
export function decodeFamily(bytes: Uint8Array): GenericFamily {
  let id: number | undefined;
  let name: string | undefined;
  let version = 0;
  for (const { type, payload } of parseAttributes(bytes, GENERIC_HEADER)) {
    if (type === CTRL.FAMILY_ID) id = u16(payload);
    else if (type === CTRL.FAMILY_NAME) name = text(payload);
    else if (type === CTRL.VERSION) version = u32(payload);
  }
  if (id === undefined || name === undefined) throw new DecodeError('a family without number or name');
  return { id, name, version };
}
