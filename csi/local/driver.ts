/** The local driver: which function answers which call, and what it says it can do. */

import {
  type ControllerCalls,
  ControllerRpcType,
  type GroupControllerCalls,
  GroupControllerRpcType,
  type NodeCalls,
  NodeRpcType,
} from '#messages/csi';
import type { Driver, Handlers } from '../driver/handlers.ts';
import { identityHandlers } from '../driver/identity.ts';
import { failedPrecondition } from '../driver/status.ts';
import { getCapacity } from './controller/capacity.ts';
import { createVolume } from './controller/create-volume.ts';
import { deleteVolume } from './controller/delete-volume.ts';
import { controllerExpandVolume } from './controller/expand-volume.ts';
import { createGroup, deleteGroup, getGroup } from './controller/groups.ts';
import { controllerGetVolume, getSnapshot, listSnapshots, listVolumes } from './controller/list.ts';
import { controllerModifyVolume } from './controller/modify-volume.ts';
import { createSnapshot, deleteSnapshot } from './controller/snapshots.ts';
import { validateVolumeCapabilities } from './controller/validate-capabilities.ts';
import { idOf } from './ids.ts';
import { DRIVER_NAME } from './name.ts';
import { nodePublishVolume, nodeUnpublishVolume } from './node/publish-volume.ts';
import { nodeStageVolume, nodeUnstageVolume } from './node/stage-volume.ts';
import { nodeExpandVolume, nodeGetVolumeStats } from './node/volume-stats.ts';
import type { LocalParts } from './parts.ts';
import { TOPOLOGY_KEY } from './topology-key.ts';

const controllerCapabilities = [
  ControllerRpcType.CREATE_DELETE_VOLUME,
  ControllerRpcType.LIST_VOLUMES,
  ControllerRpcType.GET_CAPACITY,
  ControllerRpcType.CREATE_DELETE_SNAPSHOT,
  ControllerRpcType.LIST_SNAPSHOTS,
  ControllerRpcType.CLONE_VOLUME,
  ControllerRpcType.EXPAND_VOLUME,
  ControllerRpcType.VOLUME_CONDITION,
  ControllerRpcType.GET_VOLUME,
  ControllerRpcType.SINGLE_NODE_MULTI_WRITER,
  ControllerRpcType.MODIFY_VOLUME,
  ControllerRpcType.GET_SNAPSHOT,
];

const nodeCapabilities = [
  NodeRpcType.STAGE_UNSTAGE_VOLUME,
  NodeRpcType.GET_VOLUME_STATS,
  NodeRpcType.EXPAND_VOLUME,
  NodeRpcType.VOLUME_CONDITION,
  NodeRpcType.SINGLE_NODE_MULTI_WRITER,
];

export function localDriver(parts: LocalParts, version: string): Driver {
  return {
    name: DRIVER_NAME,
    version,
    identity: identityHandlers({
      name: DRIVER_NAME,
      version,
      hasTopology: true,
      hasGroups: true,
      expandsOnline: true,
      probe: () => probe(parts),
    }),
    controller: controllerHandlers(parts),
    node: nodeHandlers(parts),
    groups: groupHandlers(parts),
    keysOf: idsToBeMade,
  };
}

/** What is to be made has its id already: who deletes it under that id waits. */
function idsToBeMade(method: string, request: object): readonly string[] {
  const { name } = request as { readonly name?: string };
  if (name === undefined) return [];
  if (method === 'createVolume') return [`volume ${idOf(name)}`];
  if (method === 'createSnapshot') return [`snapshot ${idOf(name)}`];
  return method === 'createVolumeGroupSnapshot' ? [`group ${idOf(name)}`] : [];
}

function controllerHandlers(parts: LocalParts): Handlers<typeof ControllerCalls> {
  return {
    createVolume: (request, { signal }) => createVolume(parts, request, signal),
    deleteVolume: (request, { signal }) => deleteVolume(parts, request, signal),
    validateVolumeCapabilities: (request) => validateVolumeCapabilities(parts, request),
    listVolumes: (request) => listVolumes(parts, request),
    getCapacity: (request) => getCapacity(parts, request),
    controllerGetCapabilities: async () => ({
      capabilities: controllerCapabilities.map((type) => ({ rpc: { type } })),
    }),
    createSnapshot: (request, { signal }) => createSnapshot(parts, request, signal),
    deleteSnapshot: (request, { signal }) => deleteSnapshot(parts, request, signal),
    listSnapshots: (request) => listSnapshots(parts, request),
    getSnapshot: (request) => getSnapshot(parts, request),
    controllerExpandVolume: (request, { signal }) => controllerExpandVolume(parts, request, signal),
    controllerGetVolume: (request) => controllerGetVolume(parts, request),
    controllerModifyVolume: (request) => controllerModifyVolume(parts, request),
  };
}

function groupHandlers(parts: LocalParts): Handlers<typeof GroupControllerCalls> {
  return {
    groupControllerGetCapabilities: async () => ({
      capabilities: [{ rpc: { type: GroupControllerRpcType.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT } }],
    }),
    createVolumeGroupSnapshot: (request, { signal }) => createGroup(parts, request, signal),
    deleteVolumeGroupSnapshot: (request, { signal }) => deleteGroup(parts, request, signal),
    getVolumeGroupSnapshot: (request) => getGroup(parts, request),
  };
}

function nodeHandlers(parts: LocalParts): Handlers<typeof NodeCalls> {
  return {
    nodeStageVolume: (request, { signal }) => nodeStageVolume(parts, request, signal),
    nodeUnstageVolume: (request) => nodeUnstageVolume(parts, request),
    nodePublishVolume: (request, { signal }) => nodePublishVolume(parts, request, signal),
    nodeUnpublishVolume: (request, { signal }) => nodeUnpublishVolume(parts, request, signal),
    nodeGetVolumeStats: (request) => nodeGetVolumeStats(parts, request),
    nodeExpandVolume: (request, { signal }) => nodeExpandVolume(parts, request, signal),
    nodeGetCapabilities: async () => ({ capabilities: nodeCapabilities.map((type) => ({ rpc: { type } })) }),
    nodeGetInfo: async () => ({
      nodeId: parts.node,
      accessibleTopology: { segments: { [TOPOLOGY_KEY]: parts.node } },
    }),
  };
}

/** @throws RpcError FAILED_PRECONDITION where a pool does not answer: somebody has to look at it */
async function probe({ pools }: LocalParts): Promise<boolean> {
  for (const pool of pools.values()) {
    try {
      pool.space();
    } catch (cause) {
      throw failedPrecondition(
        `pool ${pool.name} (${pool.directory}) cannot be used: ${(cause as Error).message}`,
      );
    }
  }
  return true;
}
