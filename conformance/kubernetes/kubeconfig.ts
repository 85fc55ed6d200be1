/** A kubeconfig file, everything inside it, as `kubeadm` writes one. */

import { readFileSync, writeFileSync } from 'node:fs';
import type { Credentials } from './api.ts';

export interface Access {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly credentials: Credentials;
}

/** Writes it, for its owner only. JSON is YAML. */
export function writeKubeconfig(path: string, { url, ca, credentials }: Access): void {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const user =
    'token' in credentials
      ? { token: credentials.token }
      : {
          'client-certificate-data': base64(readFileSync(credentials.certFile, 'utf8')),
          'client-key-data': base64(readFileSync(credentials.keyFile, 'utf8')),
        };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server: url, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'user', user }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'user' } }],
    'current-context': 'lab',
  };
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
}
