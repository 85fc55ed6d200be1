/** A kubeconfig file's content (client-go's clientcmd/api/v1 Config), as far as it is used. Pure. */

import { AccessError } from './access.ts';

export interface Kubeconfig {
  readonly 'current-context'?: string;
  readonly contexts?: readonly {
    readonly name: string;
    readonly context: { readonly cluster?: string; readonly user?: string };
  }[];
  readonly clusters?: readonly { readonly name: string; readonly cluster: ClusterEntry }[];
  readonly users?: readonly { readonly name: string; readonly user: UserEntry | null }[];
}

export interface ClusterEntry {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  /** Base64 of PEM, as everything that ends in `-data`. */
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
  readonly 'proxy-url'?: string;
  readonly 'disable-compression'?: boolean;
  readonly extensions?: readonly { readonly name: string; readonly extension: unknown }[] | null;
}

export interface UserEntry {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly username?: string;
  readonly password?: string;
  readonly exec?: ExecEntry;
  readonly 'auth-provider'?: unknown;
}

export interface ExecEntry {
  readonly apiVersion?: string;
  readonly command: string;
  readonly args?: readonly string[] | null;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
  readonly installHint?: string;
  readonly provideClusterInfo?: boolean;
  readonly interactiveMode?: string;
}

/** The cluster and the user of a context; without a user nothing is proved. */
export interface ChosenContext {
  readonly cluster: ClusterEntry;
  readonly user: UserEntry;
}

/**
 * Picks a context.
 *
 * @param value the parsed YAML
 * @param context by default the file's current one
 * @throws AccessError naming what is missing
 */
export function chooseContext(value: unknown, path: string, context?: string): ChosenContext {
  if (typeof value !== 'object' || value === null) throw new AccessError(`${path} is no kubeconfig file`);
  const config = value as Kubeconfig;
  const name = context ?? config['current-context'] ?? '';
  const chosen = config.contexts?.find((entry) => entry.name === name)?.context;
  if (!chosen) {
    const names = (config.contexts ?? []).map((entry) => entry.name).join(', ') || 'none';
    throw new AccessError(`${path} has no context "${name}" (it has: ${names}); set current-context`);
  }
  const cluster = config.clusters?.find((entry) => entry.name === chosen.cluster)?.cluster;
  if (!cluster) throw new AccessError(`${path}, context ${name}: there is no cluster "${chosen.cluster}"`);
  const user = config.users?.find((entry) => entry.name === chosen.user);
  if (chosen.user && !user)
    throw new AccessError(`${path}, context ${name}: there is no user "${chosen.user}"`);
  return { cluster, user: user?.user ?? {} };
}
