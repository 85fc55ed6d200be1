/** Where a gRPC server listens. Pure. */

export interface Endpoint {
  /** As it was given, for people. */
  readonly url: string;
  /** In the form of gRPC's name resolution. */
  readonly target: string;
  readonly tls: boolean;
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
      return { url, target: `dns:${parsed.hostname}:${parsed.port || (tls ? 443 : 80)}`, tls };
    }
    case 'unix:':
      return { url, target: `unix:${decodeURIComponent(parsed.pathname)}`, tls: false };
    default:
  }
  throw new Error(
    `"${url}" is no address of a server: write http://HOST:PORT, https://HOST:PORT or unix:///PATH`,
  );
}
