import { describe, expect, test } from 'vitest';
import { kernelHas } from '../../conformance/testing/kernel-features.ts';
import { freshNetns } from '../../conformance/testing/netns.ts';
import { IP_VS_SVC_F, type VirtualServer } from './codec/ipvs.ts';
import { isNetlinkError } from './error.ts';
import { Ipvs } from './ipvs.ts';
import type { NetlinkRequest } from './request.ts';
import {
  delRealServer,
  delVirtualServer,
  newRealServer,
  newVirtualServer,
  setRealServer,
  setTimeouts,
  setVirtualServer,
} from './requests/ipvs.ts';
import { ip } from './testing/golden.ts';

const SERVERS: readonly [VirtualServer, string][] = [
  [
    { address: ip('10.96.0.1'), protocol: 6, port: 443, scheduler: 'rr', flags: 0, timeout: 0, prefix: 32 },
    '10.244.1.1',
  ],
  [
    {
      address: ip('fd00::1'),
      protocol: 17,
      port: 53,
      scheduler: 'sh',
      flags: IP_VS_SVC_F.PERSISTENT,
      timeout: 10_800,
      prefix: 128,
    },
    'fd00:244::1',
  ],
];

describe.skipIf(!freshNetns() || !kernelHas('ipvs'))('IPVS in the kernel', () => {
  test.each(SERVERS)('servers come back, change, and go %#', (server, endpoint) => {
    using kernel = Ipvs.open();
    const { socket, family } = kernel;
    const refusal = (request: NetlinkRequest): string | undefined => {
      const [outcome] = socket.transact([request]);
      if (outcome?.error !== undefined && !isNetlinkError(outcome.error)) throw outcome.error;
      return outcome?.error?.code;
    };
    const told = (one: VirtualServer): VirtualServer => ({ ...one, flags: one.flags | IP_VS_SVC_F.HASHED });
    socket.request(newVirtualServer(family, server));
    expect(kernel.virtualServers()).toEqual([told(server)]);
    expect(refusal(newVirtualServer(family, server))).toBe('EEXIST');
    const changed = { ...server, scheduler: 'wrr', flags: IP_VS_SVC_F.PERSISTENT, timeout: 60 };
    socket.request(setVirtualServer(family, changed));
    expect(kernel.virtualServers()).toEqual([told(changed)]);
    socket.request(setVirtualServer(family, server));
    expect(kernel.virtualServers()).toEqual([told(server)]);

    const real = { address: ip(endpoint), port: 8443, weight: 1 };
    socket.request(newRealServer(family, server, real));
    expect(refusal(newRealServer(family, server, real))).toBe('EEXIST');
    socket.request(setRealServer(family, server, { ...real, weight: 0 }));
    expect(kernel.realServers(server)).toEqual([
      { ...real, weight: 0, activeConnections: 0, inactiveConnections: 0 },
    ]);
    socket.request(delRealServer(family, server, real));
    expect(refusal(delRealServer(family, server, real))).toBe('ENOENT');
    expect(kernel.realServers(server)).toEqual([]);

    socket.request(delVirtualServer(family, server));
    expect(refusal(delVirtualServer(family, server))).toBe('ESRCH');
    expect(refusal(delRealServer(family, server, real))).toBe('ESRCH');
    expect(kernel.virtualServers()).toEqual([]);
    expect(kernel.realServers(server)).toEqual([]);
    expect(refusal(newVirtualServer(family, { ...server, scheduler: 'nosuch' }))).toBe('ENOENT');
  });

  test('a thousand servers are told in many messages', () => {
    using kernel = Ipvs.open();
    const { socket, family } = kernel;
    const server = (n: number): VirtualServer => ({
      ...SERVERS[0]![0],
      address: { family: 4, value: 0x0a60_0000n + BigInt(n) },
    });
    const all = Array.from({ length: 1000 }, (_, n) => server(n));
    socket.requestAll(all.map((one) => newVirtualServer(family, one)));
    expect(new Set(kernel.virtualServers().map(({ address }) => address.value)).size).toBe(1000);
    socket.requestAll(all.map((one) => delVirtualServer(family, one)));
    expect(kernel.virtualServers()).toEqual([]);
  });

  test('timeouts: 0 leaves one as it is', () => {
    using kernel = Ipvs.open();
    const before = kernel.timeouts();
    kernel.socket.request(setTimeouts(kernel.family, { tcp: 77, tcpFin: 0, udp: 0 }));
    expect(kernel.timeouts()).toEqual({ ...before, tcp: 77 });
  });
});
