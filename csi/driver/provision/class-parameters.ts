/** A class's parameters: which are the driver's, and which tell the provisioner what to do. Pure. */

import { PREFIX } from './names.ts';

const FS_TYPE = `${PREFIX}fstype`;
const SECRETS = [
  'secret',
  'provisioner-secret',
  'controller-publish-secret',
  'node-stage-secret',
  'node-publish-secret',
  'controller-expand-secret',
  'node-expand-secret',
  'controller-modify-secret',
];
const SNAPSHOT_SECRETS = [
  'snapshotter-secret',
  'snapshotter-list-secret',
  'group-snapshotter-secret',
  'group-snapshotter-get-secret',
];

type Parameters = Readonly<Record<string, string>>;

/** A class that cannot be used as it is; for people. */
export class ClassError extends Error {
  override readonly name = 'ClassError';
}

/** What the driver gets. @throws ClassError for a reserved key that means nothing */
export function driverParameters(
  parameters: Parameters = {},
  of: 'StorageClass' | 'snapshots' = 'StorageClass',
): Parameters {
  const secrets = of === 'StorageClass' ? SECRETS : SNAPSHOT_SECRETS;
  const known = new Set(secrets.flatMap((name) => [`${PREFIX}${name}-name`, `${PREFIX}${name}-namespace`]));
  if (of === 'StorageClass') known.add(FS_TYPE);
  const own: Record<string, string> = {};
  for (const [key, value] of Object.entries(parameters)) {
    if (!key.startsWith(PREFIX)) own[key] = value;
    else if (!known.has(key))
      throw new ClassError(`found unknown parameter key "${key}" with reserved namespace ${PREFIX}`);
  }
  return own;
}

/** Empty where the class leaves it to the driver. @throws ClassError where it is said twice */
export function fsTypeOf(parameters: Parameters = {}): string {
  const found = Object.entries(parameters).filter(
    ([key]) => key.toLowerCase() === 'fstype' || key === FS_TYPE,
  );
  if (found.length > 1)
    throw new ClassError(`fstype specified in parameters with both "fstype" and "${FS_TYPE}" keys`);
  return found[0]?.[1] ?? '';
}
