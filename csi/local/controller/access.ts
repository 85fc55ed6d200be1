/** What a volume is to be like, from all that its users want to do with it. Pure. */

import type { VolumeCapability } from '#messages/csi';
import { type Capability, capabilitiesOf, isMultiNodeMode } from '../../driver/capability.ts';
import { invalidArgument } from '../../driver/status.ts';
import { type Backend, FS_TYPES, type FsType, type Shape } from '../backends/backend.ts';
import { mountFlagProblem } from '../mount-flags.ts';

/** Where nobody says one. */
const DEFAULT_FS: FsType = 'ext4';

type Access = Pick<Shape, 'access' | 'fsType'>;

/**
 * @param defaultFs the file system where neither a capability nor a source says one
 * @param source what it is made from, whose file system it gets
 * @throws RpcError INVALID_ARGUMENT for what no volume of this backend can do
 */
export function accessFor(
  messages: readonly VolumeCapability[],
  backend: Pick<Backend, 'name' | 'features'>,
  source: Access | undefined,
  defaultFs: string = '',
): Access {
  const capabilities = capabilitiesOf(messages, 'volume_capabilities');
  const problem = capabilities
    .map((each) => capabilityProblem(each, backend))
    .find((each) => each !== undefined);
  if (problem !== undefined) throw invalidArgument('volume_capabilities', problem);
  const isBlock = capabilities.map(({ access }) => access.type === 'block');
  if (new Set(isBlock).size > 1)
    throw invalidArgument('volume_capabilities', 'a volume is a block device or a directory, not both');
  const access = isBlock[0] ? 'block' : 'mount';
  const types = new Set(
    capabilities.flatMap(({ access: each }) =>
      each.type === 'mount' && each.fsType !== '' ? [each.fsType] : [],
    ),
  );
  if (types.size > 1) throw invalidArgument('volume_capabilities', 'name different file systems');
  const [named] = types;
  if (source && source.access !== access)
    throw invalidArgument(
      'volume_content_source',
      `is a ${nounOf(source.access)}, and the volume is to be a ${nounOf(access)}`,
    );
  if (!source || access === 'block' || !backend.features.ownFileSystem)
    return {
      access,
      fsType: (named as FsType | undefined) ?? source?.fsType ?? fsTypeOf(defaultFs, backend),
    };
  if (named !== undefined && named !== source.fsType)
    throw invalidArgument('volume_content_source', `has file system ${source.fsType}, not ${named}`);
  return { access, fsType: source.fsType };
}

/** Why a volume of that backend cannot be used so; undefined: it can. */
export function capabilityProblem(
  { mode, access }: Capability,
  { name, features }: Pick<Backend, 'name' | 'features'>,
): string | undefined {
  if (isMultiNodeMode(mode)) return `${mode} is impossible: a local volume is on one node`;
  if (access.type === 'block') return features.block ? undefined : `backend ${name} has no block devices`;
  const { fsType, mountFlags } = access;
  if (features.ownFileSystem && fsType !== '' && !isFsType(fsType)) return unknownFs(fsType);
  return mountFlagProblem(mountFlags);
}

function fsTypeOf(name: string, { features }: Pick<Backend, 'features'>): FsType {
  if (name === '' || !features.ownFileSystem) return DEFAULT_FS;
  if (!isFsType(name)) throw invalidArgument('parameters', unknownFs(name));
  return name;
}

function isFsType(name: string): name is FsType {
  return (FS_TYPES as readonly string[]).includes(name);
}

function unknownFs(name: string): string {
  return `file system "${name}" is unknown; known are ${FS_TYPES.join(', ')}`;
}

function nounOf(access: Shape['access']): string {
  return access === 'block' ? 'block device' : 'directory';
}
