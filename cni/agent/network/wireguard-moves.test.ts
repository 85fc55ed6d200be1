import { expect, test } from 'vitest';
import { parseIp } from '../../../shared/ip/ip.ts';
import type { ObservedWireguard } from './observed.ts';
import { type Whereabouts, WireguardMoves } from './wireguard-moves.ts';

const publicKey = new Uint8Array(32).fill(5);
const at = (last: number): { ip: NonNullable<ReturnType<typeof parseIp>>; port: number } => ({
  ip: parseIp(`192.0.2.${last}`)!,
  port: 51820,
});
const place = (last: number, rxBytes: number): Whereabouts =>
  new Map([[publicKey.toHex(), { endpoint: at(last), rxBytes }]]);
const device = (last: number, index = 3): ObservedWireguard => ({
  index,
  listenPort: 51820,
  peers: [
    {
      publicKey,
      endpoint: at(last),
      allowedIps: [],
      keepalive: 0,
      handshakeAgeMs: 5,
      rxBytes: 7,
      txBytes: 7,
    },
  ],
});
/** Whether the peer counts as heard. */
const heard = (moves: WireguardMoves, observed: ObservedWireguard): boolean =>
  moves.unheard([observed])[0]?.peers[0]?.handshakeAgeMs !== undefined;

test('a peer that is elsewhere without a packet was moved, until it is somewhere else again', () => {
  const moves = new WireguardMoves();
  moves.notice(3, place(1, 7), place(2, 7));
  expect(heard(moves, device(2, 4))).toBe(true);
  moves.notice(3, place(1, 7), place(2, 7));
  expect(heard(moves, device(2))).toBe(false);
  expect(heard(moves, device(2))).toBe(false);
  expect(heard(moves, device(1))).toBe(true);
  expect(heard(moves, device(2))).toBe(true);
});

test('one that was heard meanwhile has roamed; one that stayed, or is new, has done neither', () => {
  const moves = new WireguardMoves();
  moves.notice(3, place(1, 7), place(2, 8));
  moves.notice(3, place(2, 7), place(2, 7));
  moves.notice(3, new Map(), place(2, 7));
  expect(heard(moves, device(2))).toBe(true);
});
