import { systemRoots } from '../../net/system-roots.ts';
import type { TlsAccess } from './access.ts';

/** Hands out the same object until the content differs. */
export class KeptTls {
  #text = '';
  #tls: TlsAccess | undefined;

  /** Without an authority, and unless the server's certificate does not matter, whom the system trusts is trusted. */
  keep(tls: TlsAccess): TlsAccess {
    const text = JSON.stringify(tls);
    if (this.#tls === undefined || text !== this.#text) {
      const roots = tls.ca === undefined && tls.rejectUnauthorized !== false ? systemRoots() : undefined;
      this.#text = text;
      this.#tls = roots === undefined ? tls : { ...tls, ca: roots };
    }
    return this.#tls;
  }
}
