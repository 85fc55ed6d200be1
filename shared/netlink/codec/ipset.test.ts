import fc, { type Arbitrary } from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NetlinkRequest } from '../request.ts';
import { addIpSetEntry, createIpSet, delIpSetEntry, listIpSet } from '../requests/ipset.ts';
import { anyFamily, ipOf, some, u8, u16 } from '../testing/arbitrary.ts';
import { ip, message } from '../testing/golden.ts';
import { parseAttributes } from './attributes.ts';
import { DecodeError } from './decode-error.ts';
import {
  decodeIpSetPart,
  decodeIpSetRevision,
  encodeIpSetEntry,
  encodeIpSetType,
  type IpSetEntry,
} from './ipset.ts';

const SIZES = { hashSize: 1024, maxElements: 65536 };
const CLUSTER = '140002004b5542452d434c55535445522d495000';

/**
 * What `ipset` 7.17 sent, captured with `strace -e trace=sendto --raw=sendto -e write=all`; without the line number (attribute
 * 9), which it adds to entries, and with version 6 of the protocol in place of 7.
 */
const CAPTURED: readonly [command: string, bytes: string, request: NetlinkRequest][] = [
  [
    'ipset create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536 -exist',
    `6800000002060504d4ab0a6b00000000 02000000 0500010006000000 ${CLUSTER} 11000300686173683a69702c706f727400000000
     0500040007000000 0500050002000000 14000780 0800124000000400 0800134000010000`,
    createIpSet({ name: 'KUBE-CLUSTER-IP', type: 'hash:ip,port', family: 4, revision: 7, ...SIZES }),
  ],
  [
    'ipset create KUBE-6-LOOP-BACK hash:ip,port,ip family inet6 hashsize 1024 maxelem 65536 -exist',
    `6c00000002060504d4ab0a6b00000000 0a000000 0500010006000000 150002004b5542452d362d4c4f4f502d4241434b00000000
     14000300686173683a69702c706f72742c697000 0500040006000000 050005000a000000 14000780
     0800124000000400 0800134000010000`,
    createIpSet({ name: 'KUBE-6-LOOP-BACK', type: 'hash:ip,port,ip', family: 6, revision: 6, ...SIZES }),
  ],
  [
    'ipset create NP bitmap:port range 0-65535 -exist',
    `5800000002060504d4ab0a6b00000000 02000000 0500010006000000 070002004e500000 100003006269746d61703a706f727400
     0500040003000000 0500050000000000 14000780 0600044000000000 06000540ffff0000`,
    createIpSet({ name: 'NP', type: 'bitmap:port', family: 4, revision: 3 }),
  ],
  [
    'ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:443 -exist',
    `5000000009060500d4ab0a6b00000000 02000000 0500010006000000 ${CLUSTER} 20000780
     0c000180 080001400a600001 0600044001bb0000 0500070006000000`,
    addIpSetEntry('KUBE-CLUSTER-IP', { ip: ip('10.96.0.1'), port: 443, protocol: 6 }),
  ],
  [
    'ipset add KUBE-6-LOOP-BACK fd00::1,udp:53,fd00::1 -exist',
    `7800000009060500d4ab0a6b00000000 0a000000 0500010006000000 150002004b5542452d362d4c4f4f502d4241434b00000000
     44000780 18000180 14000240fd000000000000000000000000000001 0600044000350000 0500070011000000
     18001480 14000240fd000000000000000000000000000001`,
    addIpSetEntry('KUBE-6-LOOP-BACK', { ip: ip('fd00::1'), port: 53, protocol: 17, ip2: ip('fd00::1') }),
  ],
  [
    'ipset add SRC 192.0.2.1,tcp:80,10.0.0.0/8 -exist',
    `5800000009060500d4ab0a6b00000000 02000000 0500010006000000 0800020053524300
     34000780 0c000180 08000140c0000201 0600044000500000 0500070006000000
     0c001480 080001400a000000 0500150008000000`,
    addIpSetEntry('SRC', { ip: ip('192.0.2.1'), port: 80, protocol: 6, ip2: ip('10.0.0.0'), prefix2: 8 }),
  ],
  [
    'ipset del KUBE-CLUSTER-IP 10.96.0.1,tcp:443 -exist',
    `500000000a060500d4ab0a6b00000000 02000000 0500010006000000 ${CLUSTER} 20000780
     0c000180 080001400a600001 0600044001bb0000 0500070006000000`,
    delIpSetEntry('KUBE-CLUSTER-IP', { ip: ip('10.96.0.1'), port: 443, protocol: 6 }),
  ],
  [
    'ipset list KUBE-CLUSTER-IP',
    `3000000007060503d3ab0a6b00000000 02000000 0500010006000000 ${CLUSTER}`,
    listIpSet('KUBE-CLUSTER-IP'),
  ],
];

describe('what ipset sends', () => {
  test.each(CAPTURED)('%s', (_command, bytes, request) => {
    const captured = message(bytes);
    expect(request.type).toBe(captured.type);
    // REQUEST and ACK are the socket's.
    expect(request.flags).toBe(captured.flags & ~5);
    expect(request.payload.toHex()).toBe(captured.payload.toHex());
  });

  test('the question for a type, and its answer', () => {
    const asked = message(
      '380000000d060100d3ab0a6b00000000 02000000 0500010006000000 11000300686173683a69702c706f727400000000 0500050002000000',
    );
    expect(encodeIpSetType('hash:ip,port', 4).toHex()).toBe(asked.payload.toHex());
    const told = message(`480000000d060000d3ab0a6b30610000 02000000 0500010007000000
      11000300686173683a69702c706f727400000000 0500050002000000 0500040007000000 05000a0000000000`);
    expect(decodeIpSetRevision(told.payload)).toBe(7);
  });
});

/** As kernel 6.18 answers `ipset list`. */
const TOLD: readonly [bytes: string, part: object][] = [
  [
    `bc00000007060200d3ab0a6b9a610000 02000000 0500010007000000 ${CLUSTER} 11000300686173683a69702c706f727400000000
     0500050002000000 0500040007000000 06000b4000000000 3c000780 0800124000000400 0800134000010000 050015000c000000
     0800114081073629 0800194000000000 08001a4000000108 0800184000000001
     24000880 20000780 0c000180 080001000a600001 0600044001bb0000 0500070006000000`,
    {
      name: 'KUBE-CLUSTER-IP',
      type: 'hash:ip,port',
      maxElements: 65536,
      entries: [{ ip: ip('10.96.0.1'), port: 443, protocol: 6 }],
    },
  ],
  [
    `8800000007060200d3ab0a6ba5610000 02000000 0500010007000000 070002004e500000 100003006269746d61703a706f727400
     0500050000000000 0500040003000000 06000b4000020000 2c000780 0600044000000000 06000540ffff0000
     0800194000000000 08001a4000002048 0800184000000001 10000880 0c000780 0600044075800000`,
    { name: 'NP', type: 'bitmap:port', entries: [{ port: 30080 }] },
  ],
  [
    `c800000007060200d3ab0a6bb2610000 02000000 0500010007000000 0800020053524300 15000300686173683a69702c706f72742c6e657400000000
     0500050002000000 0500040008000000 06000b4000030000 3c000780 0800124000000400 0800134000010000 050015000c000000
     080011405466a249 0800194000000000 08001a4000000208 0800184000000001
     38000880 34000780 0c000180 08000100c0000201 0c001480 080001000a000000 0600044000500000 0500150008000000 0500070006000000`,
    {
      name: 'SRC',
      type: 'hash:ip,port,net',
      maxElements: 65536,
      entries: [{ ip: ip('192.0.2.1'), port: 80, protocol: 6, ip2: ip('10.0.0.0'), prefix2: 8 }],
    },
  ],
];

describe('sets', () => {
  test.each(TOLD)('as the kernel tells them %#', (bytes, part) => {
    expect(decodeIpSetPart(message(bytes).payload)).toEqual(part);
  });

  const entries: Arbitrary<IpSetEntry> = anyFamily.chain((family) =>
    some<IpSetEntry>(
      {
        ip: ipOf(family),
        port: u16,
        protocol: u8,
        ip2: ipOf(family),
        prefix2: fc.integer({ min: 1, max: 32 }),
      },
      [],
    ),
  );

  /** An answer that has the nest of a command's entry in its list. */
  const answer = (command: Uint8Array): Uint8Array => {
    const data = parseAttributes(command, 4).find(({ type }) => type === 7)?.payload ?? new Uint8Array();
    const name = command.slice(12, 20);
    const size = data.length + 4;
    const list = [size + 4, (size + 4) >> 8, 8, 0x80, size, size >> 8, 7, 0x80];
    return Uint8Array.of(...command.subarray(0, 12), ...name, ...list, ...data);
  };

  test('entries come back as they were sent', () => {
    fc.assert(
      fc.property(entries, (entry) => {
        expect(decodeIpSetPart(answer(encodeIpSetEntry('one', entry)))).toEqual({
          name: 'one',
          entries: [entry],
        });
      }),
    );
  });

  test('any bytes are read or refused', () => {
    const damaged = fc.record({ entry: entries, at: fc.nat(), to: u8 }).map(({ entry, at, to }) => {
      const bytes = answer(encodeIpSetEntry('one', entry));
      bytes[at % bytes.length] = to;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), damaged), (bytes) => {
        try {
          decodeIpSetPart(bytes);
          decodeIpSetRevision(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
    );
  });
});
