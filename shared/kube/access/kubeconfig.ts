/** Access by a kubeconfig file. The file and everything that it names are read again before every request. */

import { readText } from '../../sys/file.ts';
import type { KubeClock } from '../clock.ts';
import { type Access, AccessError, type AccessSource, type TlsAccess } from './access.ts';
import { ExecCredentials } from './exec-plugin.ts';
import { KeptTls } from './kept-tls.ts';
import { type ChosenContext, type ClusterEntry, chooseContext, type UserEntry } from './kubeconfig-file.ts';

export interface KubeconfigOptions {
  readonly path: string;
  /** In place of the cluster's server. */
  readonly server?: string;
  /** In place of the file's current one. */
  readonly context?: string;
  readonly clock: KubeClock;
}

type DataField = 'certificate-authority-data' | 'client-certificate-data' | 'client-key-data';

/** @throws AccessError for a file that cannot be read, or lacks what its context names */
export function kubeconfigAccess({ path, server, context, clock }: KubeconfigOptions): AccessSource {
  const load = (): ChosenContext => chooseContext(parse(path), path, context);
  const serverOf = ({ cluster }: ChosenContext): string => {
    const url = (server ?? cluster.server ?? '').replace(/\/+$/, '');
    if (url === '') throw new AccessError(`${path}: the cluster has no server`);
    return url;
  };
  const kept = new KeptTls();
  const exec = new ExecCredentials(clock);
  return {
    server: serverOf(load()),
    async current(): Promise<Access> {
      const chosen = load();
      const { cluster, user } = chosen;
      const url = serverOf(chosen);
      const file = (name: string | undefined): string | undefined =>
        name === undefined || name === '' ? undefined : read(relativeTo(path, name), path);
      const data = (entry: ClusterEntry & UserEntry, field: DataField): string | undefined =>
        inline(entry[field], field, path);
      const ca = data(cluster, 'certificate-authority-data') ?? file(cluster['certificate-authority']);
      const plugin =
        user.exec && (await exec.current(user.exec, { directory: dirOf(path), server: url, cluster, ca }));
      const cert = plugin?.cert ?? data(user, 'client-certificate-data') ?? file(user['client-certificate']);
      const key = plugin?.key ?? data(user, 'client-key-data') ?? file(user['client-key']);
      const serverName = cluster['tls-server-name'];
      const insecure = cluster['insecure-skip-tls-verify'] === true;
      const tls: TlsAccess = {
        ...(ca !== undefined && !insecure && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(serverName !== undefined && { serverName }),
        ...(insecure && { rejectUnauthorized: false }),
      };
      return {
        server: url,
        headers: headersOf(user, plugin?.token, file),
        ...(url.startsWith('https:') && { tls: kept.keep(tls) }),
        ...(cluster['proxy-url'] && { proxy: cluster['proxy-url'] }),
      };
    },
    refused: () => exec.forget(),
  };
}

function headersOf(
  user: UserEntry,
  pluginToken: string | undefined,
  file: (name: string | undefined) => string | undefined,
): Record<string, string> {
  if (user['auth-provider'] !== undefined && user.exec === undefined) {
    throw new AccessError(
      'auth-provider in a kubeconfig was removed from Kubernetes in 1.26: use an exec plugin',
    );
  }
  // The file wins over the inline token, which then is an old one (client-go, clientcmd/api/v1 AuthInfo).
  const token = pluginToken ?? file(user.tokenFile)?.trim() ?? user.token;
  if (token) return { authorization: `Bearer ${token}` };
  if (user.username === undefined) return {};
  const pair = new TextEncoder().encode(`${user.username}:${user.password ?? ''}`);
  return { authorization: `Basic ${pair.toBase64()}` };
}

function parse(path: string): unknown {
  try {
    return Bun.YAML.parse(readText(path));
  } catch (cause) {
    throw new AccessError(`cannot read the kubeconfig file ${path}`, { cause });
  }
}

function read(path: string, kubeconfig: string): string {
  try {
    return readText(path);
  } catch (cause) {
    throw new AccessError(`cannot read ${path}, which ${kubeconfig} names`, { cause });
  }
}

/** @throws AccessError for what is no PEM in base64 */
function inline(base64: string | undefined, field: DataField, path: string): string | undefined {
  if (base64 === undefined || base64 === '') return undefined;
  let text: string;
  try {
    text = new TextDecoder().decode(Uint8Array.fromBase64(base64));
  } catch (cause) {
    throw new AccessError(`${path}: ${field} is no base64`, { cause });
  }
  if (text.includes('-----BEGIN ')) return text;
  throw new AccessError(`${path}: ${field} is base64, but not of a certificate or key in PEM`);
}

function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1) || './';
}

/** Names in a kubeconfig are relative to the file. */
function relativeTo(path: string, name: string): string {
  return name.startsWith('/') ? name : `${dirOf(path)}${name}`;
}
