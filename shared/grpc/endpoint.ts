/** Where a gRPC server listens. Pure. */

import { parseIp } from '../ip/ip.ts';

export interface Endpoint {
  /** As it was given, for people. */
  readonly url: string;
  /** In the form of gRPC's name resolution. */
  readonly target: string;
  readonly tls: boolean;
  /** The host, where it is an address and no name; without brackets. */
  readonly address?: string;
}

/**
 * `http://host:port`, `https://host:port` or `unix:///path`.
 *
 * @throws Error for anything else
 */
export function parseEndpoint(url: string): Endpoint {
  const parsed = URL.parse(url);
  switch (parsed?.protocol) {
    case 'http:':
    case 'https:': {
      const tls = parsed.protocol === 'https:';
      if (parsed.hostname === '') break;
      const { hostname: host } = parsed;
      const bare = host.replace(/^\[(.*)\]$/, '$1');
      const address = parseIp(bare) && { address: bare };
      return { url, target: `dns:${host}:${parsed.port || (tls ? 443 : 80)}`, tls, ...address };
    }
    case 'unix:':
      return { url, target: `unix:${decodeURIComponent(parsed.pathname)}`, tls: false };
    default:
  }
  throw new Error(
    `"${url}" is no address of a server: write http://HOST:PORT, https://HOST:PORT or unix:///PATH`,
  );
}
