import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../shared/ip/cidr.ts';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { Address } from '../../../shared/netlink/codec/address.ts';
import { decodeAddress, FOREVER, IFA_F, SCOPE } from '../../../shared/netlink/codec/address.ts';
import { RTM } from '../../../shared/netlink/codec/constants.ts';
import { NLM_F } from '../../../shared/netlink/codec/message.ts';
import type { Route } from '../../../shared/netlink/codec/route.ts';
import { decodeRoute, RTPROT } from '../../../shared/netlink/codec/route.ts';
import { heldBy, moveRoutes, restoreAddresses } from './held.ts';

const forEver = { preferred: FOREVER, valid: FOREVER, created: 1, updated: 1 };

function address(text: string, more: Partial<Address> = {}): Address {
  const base = { index: 3, scope: SCOPE.UNIVERSE, flags: IFA_F.PERMANENT, cacheInfo: forEver };
  return { ...base, address: parseCidr(text) as Address['address'], ...more };
}

function route(destination: string, more: Partial<Route> = {}): Route {
  const base = { table: 254, protocol: RTPROT.BOOT, scope: 0, type: 1, flags: 0, tos: 0, oif: 3 };
  return { ...base, destination: parseCidr(destination) as Route['destination'], ...more };
}

describe('what is lost', () => {
  test('are global addresses of IPv6 and routes that somebody added, of the interface', () => {
    const kept = address('fd00::2/64');
    const addresses = [
      kept,
      address('10.0.0.2/24'),
      address('fe80::1/64', { scope: SCOPE.LINK }),
      address('fd00::3/64', { index: 4 }),
    ];
    const own = [route('::/0'), route('10.1.0.0/16', { table: 77 })];
    const all = [...own, route('fd00::/64', { protocol: RTPROT.KERNEL }), route('10.2.0.0/16', { oif: 4 })];
    expect(heldBy(3, addresses, all)).toEqual({ addresses: [kept], routes: own });
  });
});

describe('addresses', () => {
  const restored = (one: Address, now: readonly Address[]): unknown[] =>
    restoreAddresses({ addresses: [one], routes: [] }, now).map(({ type, payload }) => {
      const { flags, cacheInfo } = decodeAddress(payload);
      return type === RTM.NEWADDR ? { flags, valid: cacheInfo?.valid } : 'deleted';
    });
  const settled = address('fd00::2/64');
  const tentative = address('fd00::2/64', { flags: IFA_F.PERMANENT | IFA_F.TENTATIVE });

  test('that are gone come back without another look for duplicates', () => {
    expect(restored(settled, [])).toEqual([{ flags: IFA_F.NODAD, valid: undefined }]);
  });

  test('that the kernel has kept stay', () => {
    expect(restored(settled, [settled])).toEqual([]);
  });

  test('that the kernel has kept and looks at again are made anew', () => {
    expect(restored(settled, [tentative])).toEqual(['deleted', { flags: IFA_F.NODAD, valid: undefined }]);
  });

  test('that were being looked at are looked at', () => {
    expect(restored(tentative, [])).toEqual([{ flags: 0, valid: undefined }]);
    expect(restored(tentative, [tentative])).toEqual([]);
  });

  test('keep how they end and what they were asked to be', () => {
    const flags = IFA_F.NOPREFIXROUTE | IFA_F.DEPRECATED;
    const one = address('fd00::2/64', { flags, cacheInfo: { ...forEver, preferred: 0, valid: 90 } });
    expect(restored(one, [])).toEqual([{ flags: IFA_F.NOPREFIXROUTE | IFA_F.NODAD, valid: 90 }]);
  });
});

test('routes come back with the ways to gateways first, each in its table; IPv6’s leave the old one', () => {
  const [gateway, gateway6] = [parseIp('10.1.0.1'), parseIp('fd00::1')];
  if (!gateway || !gateway6) throw new Error('no address');
  const routes = [
    route('0.0.0.0/0', { gateway }),
    route('10.1.0.1/32'),
    route('::/0', { gateway: gateway6 }),
    route('2001:db8::/32', { table: 77 }),
  ];
  const requests = moveRoutes(
    { addresses: [], routes },
    ({ table }) => table,
    ({ table }) => (table === 254 ? 9 : table),
  );
  // Behind what the table has: an equal route of another interface stays the first.
  for (const { type, flags } of requests)
    expect(flags).toBe(type === RTM.DELROUTE ? 0 : NLM_F.CREATE | NLM_F.APPEND);
  expect(requests.map(({ type, payload }) => ({ ...decodeRoute(payload), message: type }))).toMatchObject([
    { message: RTM.DELROUTE, destination: parseCidr('::/0'), table: 254, gateway: gateway6, oif: 3 },
    { message: RTM.NEWROUTE, destination: parseCidr('10.1.0.1/32'), table: 9 },
    { message: RTM.NEWROUTE, destination: parseCidr('2001:db8::/32'), table: 77 },
    { message: RTM.NEWROUTE, destination: parseCidr('0.0.0.0/0'), table: 9, gateway },
    { message: RTM.NEWROUTE, destination: parseCidr('::/0'), table: 9, gateway: gateway6 },
  ]);
});
