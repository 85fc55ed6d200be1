/**
 * Whom the system trusts. Left to itself Bun trusts the authorities that are built into it, and neither those that an
 * operator added to the system nor what SSL_CERT_FILE names.
 */

import { getCACertificates } from 'node:tls';

let roots: { readonly pem: string | undefined } | undefined;

/**
 * In PEM; `undefined` on a system that has none: what is built in has to do then. Bun looks where Go's crypto/x509 does:
 * SSL_CERT_FILE and SSL_CERT_DIR, or the distributions' bundles and directories.
 *
 * Read when it is first asked for, as it takes 10 ms and 2 MB, and once, as Go does.
 */
export function systemRoots(): string | undefined {
  if (!roots) {
    const certificates = getCACertificates('system');
    roots = { pem: certificates.length === 0 ? undefined : certificates.join('\n') };
  }
  return roots.pem;
}
