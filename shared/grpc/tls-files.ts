/** Certificates on disk, read again when they change: whoever issues short-lived ones exchanges the files. */

import { checkServerIdentity } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { systemRoots } from '../net/system-roots.ts';
import { readFile } from '../sys/file.ts';

export interface TlsPaths {
  /** Whom to trust; without it, whom the system trusts. */
  readonly caFile?: string;
  /** Our own certificate, with its key. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

type Credentials = ReturnType<typeof credentials.createSsl>;

/**
 * The name to ask for where a server is called by its address. The library would ask for the address, which TLS has no
 * room for (RFC 6066, section 3) and Bun refuses.
 */
export const NO_SERVER_NAME = 'address.invalid';

export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #address: string | undefined;
  #read: readonly (Uint8Array | undefined)[] | undefined;
  #credentials: Credentials | undefined;

  /** @param address what the server's certificate has to be for, where that is no name */
  constructor(paths: TlsPaths, address?: string) {
    this.#paths = paths;
    this.#address = address;
  }

  /**
   * The credentials that the files make now: the same object until one changes. Files that cannot be read, or do not fit
   * together while they are being exchanged, leave the former ones in force.
   *
   * @throws Error when there are no former ones
   */
  current(): Credentials {
    try {
      const { caFile, certFile, keyFile } = this.#paths;
      const read = [caFile, keyFile, certFile].map((path) =>
        path === undefined ? undefined : readFile(path),
      );
      if (this.#credentials && this.#read?.every((bytes, index) => same(bytes, read[index])))
        return this.#credentials;
      const [ca, key, cert] = read.map((bytes) => (bytes ? Buffer.from(bytes) : null));
      const roots = caFile === undefined ? systemRoots() : undefined;
      const address = this.#address;
      this.#credentials = credentials.createSsl(
        roots === undefined ? (ca ?? null) : Buffer.from(roots),
        key ?? null,
        cert ?? null,
        address === undefined
          ? {}
          : { checkServerIdentity: (_, presented) => checkServerIdentity(address, presented) },
      );
      this.#read = read;
    } catch (error) {
      if (!this.#credentials) throw error;
    }
    return this.#credentials;
  }
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;
}
