/**
 * What the specification says of each request's fields, whatever the driver: checked once, before a handler sees it. What a
 * driver adds (its parameters, the sizes it can do) is checked by the driver. Pure.
 */

import type {
  ControllerExpandVolumeRequest,
  ControllerGetVolumeRequest,
  ControllerModifyVolumeRequest,
  ControllerPublishVolumeRequest,
  ControllerUnpublishVolumeRequest,
  CreateSnapshotRequest,
  CreateVolumeGroupSnapshotRequest,
  CreateVolumeRequest,
  DeleteSnapshotRequest,
  DeleteVolumeGroupSnapshotRequest,
  DeleteVolumeRequest,
  GetCapacityRequest,
  GetSnapshotRequest,
  GetVolumeGroupSnapshotRequest,
  ListSnapshotsRequest,
  ListVolumesRequest,
  NodeExpandVolumeRequest,
  NodeGetVolumeStatsRequest,
  NodePublishVolumeRequest,
  NodeStageVolumeRequest,
  NodeUnpublishVolumeRequest,
  NodeUnstageVolumeRequest,
  Topology,
  ValidateVolumeCapabilitiesRequest,
  VolumeContentSource,
} from '#messages/csi';
import { capabilitiesOf, capabilityOf } from './capability.ts';
import {
  checkCapacityRange,
  checkKnownPath,
  checkMap,
  checkMaxEntries,
  checkName,
  checkOptionalText,
  checkPath,
  checkText,
  MAX_NODE_ID,
} from './checks.ts';
import { invalidArgument } from './status.ts';

/** Each throws RpcError INVALID_ARGUMENT (OUT_OF_RANGE for sizes that exclude each other) for a request that is none. */
export const validators = {
  createVolume(request: CreateVolumeRequest): void {
    checkName('name', request.name);
    checkCapacityRange('capacity_range', request.capacityRange);
    capabilitiesOf(request.volumeCapabilities, 'volume_capabilities');
    checkMap('parameters', request.parameters);
    checkMap('mutable_parameters', request.mutableParameters);
    checkMap('secrets', request.secrets);
    if (request.volumeContentSource) checkSource(request.volumeContentSource);
    const { requisite = [], preferred = [] } = request.accessibilityRequirements ?? {};
    for (const topology of [...requisite, ...preferred])
      checkTopology('accessibility_requirements', topology);
  },
  deleteVolume(request: DeleteVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkMap('secrets', request.secrets);
  },
  controllerPublishVolume(request: ControllerPublishVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkText('node_id', request.nodeId, MAX_NODE_ID);
    capabilityOf(request.volumeCapability, 'volume_capability');
  },
  controllerUnpublishVolume(request: ControllerUnpublishVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkOptionalText('node_id', request.nodeId, MAX_NODE_ID);
  },
  validateVolumeCapabilities(request: ValidateVolumeCapabilitiesRequest): void {
    checkText('volume_id', request.volumeId);
    capabilitiesOf(request.volumeCapabilities, 'volume_capabilities');
    checkMap('volume_context', request.volumeContext);
    checkMap('parameters', request.parameters);
    checkMap('mutable_parameters', request.mutableParameters);
  },
  listVolumes(request: ListVolumesRequest): void {
    checkMaxEntries(request.maxEntries);
  },
  getCapacity(request: GetCapacityRequest): void {
    checkMap('parameters', request.parameters);
    for (const [index, capability] of request.volumeCapabilities.entries())
      capabilityOf(capability, `volume_capabilities[${index}]`);
    if (request.accessibleTopology) checkTopology('accessible_topology', request.accessibleTopology);
  },
  createSnapshot(request: CreateSnapshotRequest): void {
    checkName('name', request.name);
    checkText('source_volume_id', request.sourceVolumeId);
    checkMap('parameters', request.parameters);
    checkMap('secrets', request.secrets);
  },
  deleteSnapshot(request: DeleteSnapshotRequest): void {
    checkText('snapshot_id', request.snapshotId);
    checkMap('secrets', request.secrets);
  },
  listSnapshots(request: ListSnapshotsRequest): void {
    checkMaxEntries(request.maxEntries);
    checkOptionalText('source_volume_id', request.sourceVolumeId);
    checkOptionalText('snapshot_id', request.snapshotId);
  },
  getSnapshot(request: GetSnapshotRequest): void {
    checkText('snapshot_id', request.snapshotId);
  },
  controllerExpandVolume(request: ControllerExpandVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    if (!request.capacityRange) throw invalidArgument('capacity_range', 'is missing');
    checkCapacityRange('capacity_range', request.capacityRange);
    if (request.volumeCapability) capabilityOf(request.volumeCapability, 'volume_capability');
  },
  controllerGetVolume(request: ControllerGetVolumeRequest): void {
    checkText('volume_id', request.volumeId);
  },
  controllerModifyVolume(request: ControllerModifyVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkMap('mutable_parameters', request.mutableParameters);
  },
  nodeStageVolume(request: NodeStageVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkPath('staging_target_path', request.stagingTargetPath);
    capabilityOf(request.volumeCapability, 'volume_capability');
    checkMap('volume_context', request.volumeContext);
    checkMap('publish_context', request.publishContext);
  },
  nodeUnstageVolume(request: NodeUnstageVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkPath('staging_target_path', request.stagingTargetPath);
  },
  nodePublishVolume(request: NodePublishVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkPath('target_path', request.targetPath);
    if (request.stagingTargetPath !== '') checkPath('staging_target_path', request.stagingTargetPath);
    capabilityOf(request.volumeCapability, 'volume_capability');
    // Not held to 4 KiB: the kubelet itself adds a pod's names and tokens.
    for (const [key, value] of Object.entries(request.volumeContext))
      if (value.includes('\0')) throw invalidArgument('volume_context', `${JSON.stringify(key)} holds a NUL`);
    checkMap('publish_context', request.publishContext);
  },
  nodeUnpublishVolume(request: NodeUnpublishVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkPath('target_path', request.targetPath);
  },
  nodeGetVolumeStats(request: NodeGetVolumeStatsRequest): void {
    checkText('volume_id', request.volumeId);
    checkKnownPath('volume_path', request.volumePath);
    if (request.stagingTargetPath !== '') checkPath('staging_target_path', request.stagingTargetPath);
  },
  nodeExpandVolume(request: NodeExpandVolumeRequest): void {
    checkText('volume_id', request.volumeId);
    checkKnownPath('volume_path', request.volumePath);
    if (request.stagingTargetPath !== '') checkPath('staging_target_path', request.stagingTargetPath);
    checkCapacityRange('capacity_range', request.capacityRange);
    if (request.volumeCapability) capabilityOf(request.volumeCapability, 'volume_capability');
  },
  createVolumeGroupSnapshot(request: CreateVolumeGroupSnapshotRequest): void {
    checkName('name', request.name);
    checkMap('parameters', request.parameters);
    if (request.sourceVolumeIds.length === 0) throw invalidArgument('source_volume_ids', 'is empty');
    for (const id of request.sourceVolumeIds) checkText('source_volume_ids', id);
  },
  deleteVolumeGroupSnapshot(request: DeleteVolumeGroupSnapshotRequest): void {
    checkText('group_snapshot_id', request.groupSnapshotId);
    for (const id of request.snapshotIds) checkText('snapshot_ids', id);
  },
  getVolumeGroupSnapshot(request: GetVolumeGroupSnapshotRequest): void {
    checkText('group_snapshot_id', request.groupSnapshotId);
    for (const id of request.snapshotIds) checkText('snapshot_ids', id);
  },
} as const;

function checkSource(source: VolumeContentSource): void {
  if (source.snapshot) checkText('volume_content_source.snapshot.snapshot_id', source.snapshot.snapshotId);
  else if (source.volume) checkText('volume_content_source.volume.volume_id', source.volume.volumeId);
  else throw invalidArgument('volume_content_source', 'is neither a snapshot nor a volume');
}

function checkTopology(field: string, { segments }: Topology): void {
  checkMap(field, segments);
}
