/**
 * Whom the system trusts. Left to itself Bun trusts the authorities that are built into it, and neither those that an
 * operator added to the system nor what SSL_CERT_FILE names.
 */

let roots: { readonly pem: string | undefined } | undefined;

/**
 * In PEM; `undefined` on a system that has none: what is built in has to do then. Bun looks where Go's crypto/x509 does:
 * SSL_CERT_FILE and SSL_CERT_DIR, or the distributions' bundles and directories.
 *
 * Read when it is first asked for, and once, as Go does: it takes 20 ms and 2 MB, and node:tls, which little else needs, 4 MB
 * more.
 */
export function systemRoots(): string | undefined {
  if (!roots) {
    const certificates = process.getBuiltinModule('node:tls').getCACertificates('system');
    roots = { pem: certificates.length === 0 ? undefined : certificates.join('\n') };
  }
  return roots.pem;
}
