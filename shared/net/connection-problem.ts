/** Why a connection did not come about, in plain words. Bun's own ask about the computer, or a typo. Pure. */

/** By the error's code: errno, getaddrinfo's, or OpenSSL's X509_V_ERR_… as Node names them. */
const PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused: nothing listens there',
  ECONNRESET: 'the connection was cut off before an answer',
  EPIPE: 'the connection was cut off before an answer',
  ETIMEDOUT: 'the connection attempt was not answered',
  ENETUNREACH: 'there is no route to its network',
  EHOSTUNREACH: 'there is no way to the host',
  ENOTFOUND: 'its name is not known (DNS)',
  EAI_AGAIN: 'its name cannot be looked up at present: DNS does not answer',
  ENOENT: 'there is no such socket',
  EACCES: 'permission denied',
  EPERM: 'not permitted: something on this machine (a firewall, a policy) forbids it',
  EPROTO: 'what listens there does not speak TLS',
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate does not name this host",
  CERT_HAS_EXPIRED: "the server's certificate has expired, or this machine's clock is wrong",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet, or this machine's clock is wrong",
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted('it is self-signed'),
  SELF_SIGNED_CERT_IN_CHAIN: untrusted('its authority is not known'),
  UNABLE_TO_GET_ISSUER_CERT: untrusted('its authority is not known'),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted('its authority is not known'),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted('its authority is not known'),
  CERT_SIGNATURE_FAILURE: untrusted('another authority of the same name has signed it'),
};

/** What OpenSSL and HTTP/2 say where no code comes with it. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [
    /unable to verify the first certificate|unable to get (local )?issuer/,
    untrusted('its authority is not known'),
  ],
  [/self.signed certificate/, untrusted('its authority is not known')],
  [/certificate has expired/, PROBLEMS['CERT_HAS_EXPIRED'] ?? ''],
  [/WRONG_VERSION_NUMBER|HTTP_REQUEST/, PROBLEMS['EPROTO'] ?? ''],
  [/Name resolution failed/, 'its name cannot be looked up (DNS)'],
  [
    /Protocol error|Failed to connect/,
    'the other side ended the connection: is it a port for TLS, or does it want a client certificate?',
  ],
];

function untrusted(why: string): string {
  return `the server's certificate is not trusted: ${why}`;
}

/** In plain words, with the code for who knows it; `undefined` for what is no problem of a connection. */
export function connectionProblem(error: unknown): string | undefined {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  const plain = typeof code === 'string' ? PROBLEMS[code] : undefined;
  if (plain !== undefined) return `${plain} (${String(code)})`;
  return typeof message === 'string' ? problemIn(message) : undefined;
}

/** As `connectionProblem`, for a text that says it somewhere. */
export function problemIn(text: string): string | undefined {
  for (const code of text.match(/\b(E[A-Z_]{3,}|[A-Z]+(_[A-Z]+)+)\b/g) ?? []) {
    const plain = PROBLEMS[code];
    if (plain !== undefined) return `${plain} (${code})`;
  }
  return PHRASES.find(([pattern]) => pattern.test(text))?.[1];
}
