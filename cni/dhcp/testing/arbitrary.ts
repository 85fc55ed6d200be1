/** Random messages, for property tests. */

import fc from 'fast-check';
import type { Ip } from '../../../shared/ip/ip.ts';
import type { DhcpMessage, DhcpOption } from '../codec/message.ts';
import { OPTION } from '../codec/option-codes.ts';

export const anyIp: fc.Arbitrary<Ip> = fc
  .bigInt({ min: 0n, max: 0xffffffffn })
  .map((value) => ({ family: 4, value }));

/** Of up to 600 bytes, so that some are cut into parts. */
const anyOption: fc.Arbitrary<DhcpOption> = fc.record({
  code: fc.integer({ min: 1, max: 254 }).filter((code) => code !== OPTION.OVERLOAD),
  data: fc.uint8Array({ maxLength: 600 }),
});

const byte = fc.integer({ min: 0, max: 0xff });
const half = fc.integer({ min: 0, max: 0xffff });

export const anyMessage: fc.Arbitrary<DhcpMessage> = fc.record({
  op: byte,
  htype: byte,
  hops: byte,
  xid: fc.integer({ min: 0, max: 0xffffffff }),
  secs: half,
  flags: half,
  ciaddr: anyIp,
  yiaddr: anyIp,
  siaddr: anyIp,
  giaddr: anyIp,
  chaddr: fc.uint8Array({ maxLength: 16 }),
  options: fc.uniqueArray(anyOption, { selector: ({ code }) => code, maxLength: 12 }),
});
