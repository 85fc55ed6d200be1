import { describe, expect, test } from 'vitest';
import { type Cidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { type Ip, parseIp } from '../../../shared/ip/ip.ts';
import type { DesiredWireguardPeer } from './desired.ts';
import type { ObservedWireguardPeer } from './observed.ts';
import { planWireguardPeers } from './plan-wireguard.ts';
import { Secret } from './secret.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const cidr = (text: string): Cidr => parseCidr(text) as Cidr;
const publicKey = new Uint8Array(32).fill(2);

const want: DesiredWireguardPeer = {
  device: 'flannel-wg',
  publicKey,
  endpoint: { ip: ip('192.0.2.2'), port: 51820 },
  allowedIps: [cidr('10.244.2.0/24'), cidr('fd00::/64')],
  keepalive: 0,
};
const there: ObservedWireguardPeer = { ...want, rxBytes: 0, txBytes: 0 };

function plan(...peers: ObservedWireguardPeer[]): unknown[] {
  const kept = new Map([[3, 'flannel-wg']]);
  const plan = planWireguardPeers([want], [{ index: 3, listenPort: 51820, peers }], kept);
  return [...plan.set, ...plan.delete].map((change) =>
    change.kind === 'set-wireguard-peer' ? `set${change.endpoint ? ' with endpoint' : ''}` : change.kind,
  );
}

describe('a peer', () => {
  const elsewhere = { ip: ip('198.51.100.9'), port: 4711 };

  test.each<[string, Partial<ObservedWireguardPeer>, string[]]>([
    ['that is right', {}, []],
    ['with its networks in another order', { allowedIps: [...want.allowedIps].reverse() }, []],
    ['heard from elsewhere just now', { endpoint: elsewhere, handshakeAgeMs: 1000 }, []],
    [
      'heard from elsewhere long ago',
      { endpoint: elsewhere, handshakeAgeMs: 181_000 },
      ['set with endpoint'],
    ],
    ['never heard, at another place', { endpoint: elsewhere }, ['set with endpoint']],
    ['at another port', { endpoint: { ...want.endpoint, port: 1 } }, ['set with endpoint']],
    ['without an endpoint', { endpoint: undefined as never }, ['set with endpoint']],
    ['with a key of somebody else', { presharedKey: new Secret(new Uint8Array(32).fill(1)) }, ['set']],
    ['with a keepalive', { keepalive: 25 }, ['set']],
    ['with a network less', { allowedIps: [cidr('10.244.2.0/24')] }, ['set']],
    ['that roamed, with a network less', { endpoint: elsewhere, handshakeAgeMs: 5, allowedIps: [] }, ['set']],
  ])('%s', (_what, part, expected) => {
    expect(plan({ ...there, ...part })).toEqual(expected);
  });

  test('that is missing is set, one that nobody wants is deleted, those of other devices are left', () => {
    expect(plan()).toEqual(['set with endpoint']);
    const stale = { ...there, publicKey: new Uint8Array(32).fill(9) };
    expect(plan(there, stale)).toEqual(['delete-wireguard-peer']);
    const other = [{ index: 9, listenPort: 1, peers: [stale] }];
    expect(planWireguardPeers([], other, new Map([[3, 'flannel-wg']]))).toEqual({ set: [], delete: [] });
  });
});
