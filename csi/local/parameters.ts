/** A StorageClass's parameters. Pure. */

import { invalidArgument } from '../driver/status.ts';
import { BACKENDS, type BackendName } from './backends/backend.ts';

export interface Parameters {
  /** Of `--pool NAME=DIR`; undefined: the first. */
  readonly pool?: string;
  readonly backend: BackendName;
  readonly thin: boolean;
  /** Where no capability names one: not checked yet. */
  readonly fsType?: string;
  /** `namespace/name` of the claim, where the provisioner tells it. */
  readonly claim?: string;
}

const KNOWN = ['pool', 'backend', 'provisioning'] as const;

/**
 * What external-provisioner adds with --extra-create-metadata, and its own keys, which it takes away before it calls, having put
 * the file system into the capabilities: harmless where others leave them.
 */
const KUBERNETES = 'csi.storage.k8s.io/';

/** @throws RpcError INVALID_ARGUMENT naming the key */
export function parseParameters(map: Readonly<Record<string, string>>): Parameters {
  for (const key of Object.keys(map))
    if (!key.startsWith(KUBERNETES) && !(KNOWN as readonly string[]).includes(key))
      throw invalidArgument('parameters', `"${key}" is unknown; known are ${KNOWN.join(', ')}`);
  const backend = map['backend'] ?? 'loop';
  if (!isBackend(backend))
    throw invalidArgument('parameters', `backend must be one of ${BACKENDS.join(', ')}, not "${backend}"`);
  const provisioning = map['provisioning'] ?? 'thick';
  if (provisioning !== 'thick' && provisioning !== 'thin')
    throw invalidArgument('parameters', `provisioning must be thick or thin, not "${provisioning}"`);
  const pool = map['pool'];
  const fsType = map[`${KUBERNETES}fstype`];
  const [namespace, name] = [map[`${KUBERNETES}pvc/namespace`], map[`${KUBERNETES}pvc/name`]];
  return {
    backend,
    thin: provisioning === 'thin',
    ...(pool !== undefined && pool !== '' && { pool }),
    ...(fsType !== undefined && fsType !== '' && { fsType }),
    ...(namespace !== undefined && name !== undefined && { claim: `${namespace}/${name}` }),
  };
}

function isBackend(text: string): text is BackendName {
  return (BACKENDS as readonly string[]).includes(text);
}
