/** The filter in the kernel: lets through what may be for a DHCP client. Pure. */

import type { FilterInstruction } from '../../../shared/sys/socket-filter.ts';
import { PORT } from '../codec/option-codes.ts';

/** Classic BPF (include/uapi/linux/bpf_common.h): load from a fixed place, from one behind X, the IP header's length. */
const LOAD_BYTE = 0x30;
const LOAD_HALF = 0x28;
const LOAD_HALF_BEHIND_X = 0x48;
const X_IS_HEADER_LENGTH = 0xb1;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_ANY_BIT = 0x45;
const RETURN = 0x06;

/**
 * UDP over IPv4 to the client's port, no later fragment. Places count from the Ethernet header on: protocol at 23, flags
 * and offset at 20, header length at 14, and behind that header, at 14 + 2, the port.
 */
export const clientFilter: readonly FilterInstruction[] = [
  { code: LOAD_BYTE, k: 23 },
  { code: JUMP_IF_EQUAL, k: 17, jf: 6 },
  { code: LOAD_HALF, k: 20 },
  { code: JUMP_IF_ANY_BIT, k: 0x1fff, jt: 4 },
  { code: X_IS_HEADER_LENGTH, k: 14 },
  { code: LOAD_HALF_BEHIND_X, k: 16 },
  { code: JUMP_IF_EQUAL, k: PORT.CLIENT, jf: 1 },
  { code: RETURN, k: 0xffff },
  { code: RETURN, k: 0 },
];
