/** The service account of the pod that a program runs in. */

import { readText } from '../../sys/file.ts';
import { type Access, AccessError, type AccessSource } from './access.ts';
import { KeptTls } from './kept-tls.ts';

/** Where the kubelet mounts it (Kubernetes, "Accessing the Kubernetes API from a Pod"). */
const DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface InClusterOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** In place of the server that the environment names. */
  readonly server?: string;
  readonly directory?: string;
}

/** @throws AccessError where the environment names no server */
export function inClusterAccess({
  environment,
  server,
  directory = DIRECTORY,
}: InClusterOptions): AccessSource {
  const url = server?.replace(/\/+$/, '') ?? serverOf(environment);
  const kept = new KeptTls();
  return {
    server: url,
    async current(): Promise<Access> {
      // A token belongs to nobody who listens on the wire.
      if (!url.startsWith('https:')) return { server: url, headers: {} };
      const token = read(`${directory}/token`).trim();
      const ca = read(`${directory}/ca.crt`);
      return { server: url, headers: { authorization: `Bearer ${token}` }, tls: kept.keep({ ca }) };
    },
    refused: () => {},
  };
}

function serverOf(environment: InClusterOptions['environment']): string {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  const port = environment['KUBERNETES_SERVICE_PORT'];
  if (!host || !port) {
    throw new AccessError(
      'this is no pod of a cluster (KUBERNETES_SERVICE_HOST and _PORT are not set): name a kubeconfig file',
    );
  }
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function read(path: string): string {
  try {
    return readText(path);
  } catch (cause) {
    throw new AccessError(
      `cannot read the service account's ${path}: let the pod mount it (automountServiceAccountToken), or name a ` +
        'kubeconfig file',
      { cause },
    );
  }
}
