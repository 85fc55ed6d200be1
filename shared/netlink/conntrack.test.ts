import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../conformance/testing/netns.ts';
import { formatIp } from '../ip/ip.ts';
import { decodeFlow, deleteFlow, dumpFlows, type Flow } from './codec/conntrack.ts';
import { DecodeError } from './codec/decode-error.ts';
import { NETLINK } from './codec/message.ts';
import { NetlinkSocket } from './socket.ts';

const kernel = freshNetns();

/** Flows are tracked only where somebody asks for it. */
function track(): void {
  run(
    'nft',
    'add table inet t; add chain inet t c { type filter hook output priority 0; }; add rule inet t c ct state new counter',
  );
  run('ip', 'address', 'add', 'fd00:5::1/64', 'dev', 'lo', 'nodad');
}

function sendUdp(from: number, to: number, host: string): void {
  const family = host.includes(':') ? 'udp6' : 'udp4';
  const script = `const s = require('node:dgram').createSocket('${family}'); s.bind(${from}, '${host}', () => s.send('x', ${to}, '${host}', () => s.close()));`;
  expect(spawnSync(process.execPath, ['-e', script]).status).toBe(0);
}

function flowsOf(socket: NetlinkSocket, family: 4 | 6): Flow[] {
  return socket.dump(dumpFlows(family)).flatMap(({ payload }) => decodeFlow(payload) ?? []);
}

describe.skipIf(!kernel)('tracked flows', () => {
  test('are listed with both directions, and deleted one by one', () => {
    track();
    using socket = NetlinkSocket.open(NETLINK.NETFILTER);
    for (const [family, host] of [
      [4, '127.0.0.1'],
      [6, 'fd00:5::1'],
    ] as const) {
      sendUdp(4000, 5000, host);
      sendUdp(4001, 5001, host);
      const found = flowsOf(socket, family).filter(({ original }) => original.protocol === 17);
      const ports = found.map(({ original, reply }) => [
        original.sourcePort,
        original.targetPort,
        reply.sourcePort,
      ]);
      expect(ports.sort()).toEqual([
        [4000, 5000, 5000],
        [4001, 5001, 5001],
      ]);
      expect(found.map(({ original }) => formatIp(original.target))).toEqual([host, host]);
      const tcp = socket.dump(dumpFlows(family, 6)).flatMap(({ payload }) => decodeFlow(payload) ?? []);
      expect(tcp).toEqual([]);
      const udp = socket.dump(dumpFlows(family, 17)).flatMap(({ payload }) => decodeFlow(payload) ?? []);
      expect(udp).toHaveLength(2);
      const one = found.find(({ original }) => original.targetPort === 5000) as Flow;
      socket.request(deleteFlow(one));
      expect(flowsOf(socket, family).map(({ original }) => original.targetPort)).not.toContain(5000);
      expect(flowsOf(socket, family).map(({ original }) => original.targetPort)).toContain(5001);
      expect(() => socket.request(deleteFlow(one))).toThrow(/ENOENT|no such/i);
    }
  });
});

describe('a flow', () => {
  // conntrack -L -p udp, one entry of IPv4, as the kernel wrote it (attributes of both tuples only).
  const bytes = Uint8Array.fromHex(
    '02000000' +
      '34000180' +
      '14000180' +
      '080001007f000001' +
      '080002007f000001' +
      '1c000280' +
      '0500010011000000' +
      '060002000fa00000' +
      '0600030013880000' +
      '34000280' +
      '14000180' +
      '080001007f000001' +
      '080002007f000001' +
      '1c000280' +
      '0500010011000000' +
      '0600020013880000' +
      '060003000fa00000',
  );

  test('is read', () => {
    expect(decodeFlow(bytes)).toMatchObject({
      family: 4,
      original: { protocol: 17, sourcePort: 4000, targetPort: 5000 },
      reply: { protocol: 17, sourcePort: 5000, targetPort: 4000 },
    });
  });

  test('is named in its deletion by the bytes that it came with', () => {
    const { payload } = deleteFlow(decodeFlow(bytes) as Flow);
    expect(payload.slice(8)).toEqual(bytes.slice(8, 4 + 0x34));
  });

  test('of any bytes is one, none, or an error that says so', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 120 }), (tail) => {
        try {
          decodeFlow(new Uint8Array([2, 0, 0, 0, ...tail]));
        } catch (error) {
          if (!(error instanceof DecodeError) && !(error instanceof RangeError)) throw error;
        }
      }),
    );
  });
});
