/** Requests as the kubelet and the sidecars make them. */

import {
  AccessModeMode,
  type CreateVolumeRequest,
  type NodePublishVolumeRequest,
  type NodeStageVolumeRequest,
  type VolumeCapability,
} from '#messages/csi';
import type { Init } from '../../shared/grpc/wire/schema.ts';

export const MIB: number = 1024 ** 2;

export function mountable(
  mode: keyof typeof AccessModeMode = 'SINGLE_NODE_WRITER',
  fsType = '',
): Init<VolumeCapability> {
  return { mount: { fsType }, accessMode: { mode: AccessModeMode[mode] } };
}

export const block: Init<VolumeCapability> = {
  block: {},
  accessMode: { mode: AccessModeMode.SINGLE_NODE_WRITER },
};

export interface Wish {
  readonly mib?: number;
  readonly capability?: Init<VolumeCapability>;
  readonly parameters?: Readonly<Record<string, string>>;
}

export function creation(
  name: string,
  { mib = 64, capability = mountable(), parameters = {} }: Wish = {},
): Init<CreateVolumeRequest> {
  return {
    name,
    capacityRange: { requiredBytes: BigInt(mib * MIB) },
    volumeCapabilities: [capability],
    parameters: { ...parameters },
  };
}

export function staging(
  volumeId: string,
  path: string,
  capability: Init<VolumeCapability> = mountable(),
): Init<NodeStageVolumeRequest> {
  return { volumeId, stagingTargetPath: path, volumeCapability: capability };
}

export function publishing(
  volumeId: string,
  stage: string,
  target: string,
  capability: Init<VolumeCapability> = mountable(),
): Init<NodePublishVolumeRequest> {
  return { volumeId, stagingTargetPath: stage, targetPath: target, volumeCapability: capability };
}
