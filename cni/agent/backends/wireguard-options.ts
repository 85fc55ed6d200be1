/** The keys of net-conf.json's `Backend` for WireGuard. Pure. */

import { type BackendConf, NetConfError } from '../../../shared/config/net-conf.ts';
import { Secret } from '../network/secret.ts';
import type { BackendSetting } from './backend.ts';
import { OptionReader } from './option-reader.ts';
import { parseKey } from './wireguard-data.ts';

/** flannel's defaults; the first is the port that the WireGuard project's own examples use. */
const DEFAULT_PORT = 51820;
const DEFAULT_PORT_V6 = 51821;
/** IPv6 needs 1280 inside (RFC 8200 section 5). */
const MIN_MTU = 1280 + 80;

/** Which address of a peer is its endpoint: each family has its device, or one carries both. */
const MODES = ['separate', 'auto', 'ipv4', 'ipv6'] as const;
export type WireguardMode = (typeof MODES)[number];

export interface WireguardOptions {
  readonly mode: WireguardMode;
  /** UDP ports. */
  readonly listenPort: number;
  readonly listenPortV6: number;
  /** Of the underlay, in bytes; absent: that of its interface. */
  readonly mtu?: number;
  readonly presharedKey?: Secret;
  /** Seconds; 0: off. */
  readonly keepalive: number;
}

/** @throws NetConfError that names the key */
export function wireguardOptions(conf: BackendConf, networks: BackendSetting['networks']): WireguardOptions {
  const options = new OptionReader(conf);
  const text = options.text('Mode') ?? 'separate';
  const mode = MODES.find((each) => each === text);
  if (!mode) throw new NetConfError(`Backend.Mode must be one of ${MODES.join(', ')}, not "${text}"`);
  if ((mode === 'ipv4' && !networks.v4) || (mode === 'ipv6' && !networks.v6)) {
    throw new NetConfError(
      `Backend.Mode "${mode}" needs that family: set Enable${mode === 'ipv4' ? 'IPv4' : 'IPv6'}`,
    );
  }
  const listenPort = options.number('ListenPort', 1, 65535) ?? DEFAULT_PORT;
  const listenPortV6 = options.number('ListenPortV6', 1, 65535) ?? DEFAULT_PORT_V6;
  if (mode === 'separate' && networks.v4 && networks.v6 && listenPort === listenPortV6) {
    throw new NetConfError(
      `Backend.ListenPort and ListenPortV6 are both ${listenPort}: two devices cannot share a port`,
    );
  }
  const mtu = options.number('MTU', MIN_MTU, 65535);
  const psk = options.text('PSK');
  const presharedKey = psk === undefined ? undefined : parseKey(psk.trim());
  if (psk !== undefined && !presharedKey) {
    throw new NetConfError('Backend.PSK must be 32 bytes in base64: `wg genpsk` makes one');
  }
  return {
    mode,
    listenPort,
    listenPortV6,
    keepalive: options.number('PersistentKeepaliveInterval', 1, 65535) ?? 0,
    ...(mtu !== undefined && { mtu }),
    ...(presharedKey && { presharedKey: new Secret(presharedKey) }),
  };
}
