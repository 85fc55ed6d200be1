/** Where the API server is, and how to prove who asks. */

export interface Access {
  /** `https://192.0.2.1:6443`, without a slash at its end. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The same object as before as long as nothing changed: connections are kept by it. */
  readonly tls?: TlsAccess;
  /** An HTTP proxy to go through. */
  readonly proxy?: string;
}

/** As Bun's fetch takes it. All in PEM. */
export interface TlsAccess {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** What the server's certificate must name, if not the URL's host. */
  readonly serverName?: string;
  readonly rejectUnauthorized?: boolean;
}

/**
 * Asked before every request: files are read again each time, so that rotated tokens, certificates and authorities
 * count at once.
 */
export interface AccessSource {
  /** The server, for people. */
  readonly server: string;
  /** @throws AccessError naming the file that is missing or wrong */
  current(): Promise<Access>;
  /** The server did not take the credentials: what was kept of them (of an exec plugin) is not to be used again. */
  refused(): void;
}

/** Credentials that cannot be read. It says which, and what to do. */
export class AccessError extends Error {
  override readonly name = 'AccessError';
}
