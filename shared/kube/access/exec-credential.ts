/** What an exec plugin is told, and what it answers (client.authentication.k8s.io, v1 and v1beta1). Pure. */

import { AccessError } from './access.ts';
import type { ClusterEntry, ExecEntry } from './kubeconfig-file.ts';

/** Both have the same fields. */
const VERSIONS: readonly string[] = [
  'client.authentication.k8s.io/v1',
  'client.authentication.k8s.io/v1beta1',
];
/** Under this name a cluster's extensions hold what is meant for plugins (client-go, tools/clientcmd). */
const CONFIG_EXTENSION = 'client.authentication.k8s.io/exec';

export interface ExecContext {
  /** The kubeconfig's directory: a command with a slash is relative to it. */
  readonly directory: string;
  readonly server: string;
  readonly cluster: ClusterEntry;
  /** PEM. */
  readonly ca: string | undefined;
}

export interface PluginCredentials {
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Credentials, and until when they are good (ms since 1970). */
export interface Kept {
  readonly credentials: PluginCredentials;
  readonly until: number;
}

/**
 * KUBERNETES_EXEC_INFO, before it becomes JSON.
 *
 * @throws AccessError for an entry that client-go would refuse, or a plugin that wants a terminal
 */
export function execInfo(exec: ExecEntry, { cluster, server, ca }: ExecContext): object {
  const { apiVersion, command, interactiveMode, provideClusterInfo } = exec;
  if (!command) throw new AccessError('the kubeconfig names no command for exec');
  if (apiVersion === undefined || !VERSIONS.includes(apiVersion))
    throw new AccessError(
      `exec of ${command} has apiVersion "${apiVersion ?? ''}" in the kubeconfig: write ${VERSIONS.join(' or ')}`,
    );
  switch (interactiveMode ?? (apiVersion === VERSIONS[0] ? undefined : 'IfAvailable')) {
    case 'Never':
    case 'IfAvailable':
      break;
    case 'Always':
      throw new AccessError(
        `${command} wants a terminal (interactiveMode: Always), which a program of a node has not: use another user`,
      );
    default:
      throw new AccessError(
        `exec of ${command} has interactiveMode "${interactiveMode ?? ''}" in the kubeconfig: write Never or IfAvailable`,
      );
  }
  const config = cluster.extensions?.find(({ name }) => name === CONFIG_EXTENSION)?.extension;
  const info = {
    server,
    'tls-server-name': cluster['tls-server-name'] || undefined,
    'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'] || undefined,
    'certificate-authority-data': ca && new TextEncoder().encode(ca).toBase64(),
    'proxy-url': cluster['proxy-url'] || undefined,
    'disable-compression': cluster['disable-compression'] || undefined,
    // As Go has it of an extension that is not there.
    config: config ?? null,
  };
  return {
    kind: 'ExecCredential',
    apiVersion,
    spec: { ...(provideClusterInfo && { cluster: info }), interactive: false },
  };
}

interface ExecCredential {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly status?: {
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
    /** RFC 3339. */
    readonly expirationTimestamp?: string;
  } | null;
}

/** Takes the answer apart. @throws AccessError for what client-go would not take */
export function parseCredential(output: string, { command, apiVersion }: ExecEntry): Kept {
  let credential: ExecCredential;
  try {
    credential = JSON.parse(output) as ExecCredential;
  } catch (cause) {
    throw new AccessError(`${command} printed no ExecCredential`, { cause });
  }
  if (credential?.kind !== 'ExecCredential') throw new AccessError(`${command} printed no ExecCredential`);
  if (credential.apiVersion !== apiVersion)
    throw new AccessError(
      `${command} answers as ${credential.apiVersion}, while the kubeconfig says ${apiVersion}: write that there`,
    );
  const { token, clientCertificateData: cert, clientKeyData: key } = credential.status ?? {};
  if (!token && !cert && !key) throw new AccessError(`${command} printed no credentials`);
  if (!cert !== !key) throw new AccessError(`${command} printed a certificate or a key, not both`);
  const expires = Date.parse(credential.status?.expirationTimestamp ?? '');
  return {
    credentials: { ...(token && { token }), ...(cert && { cert }), ...(key && { key }) },
    until: Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires,
  };
}
