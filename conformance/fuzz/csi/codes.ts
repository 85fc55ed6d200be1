/**
 * The codes that each call may end with, beside OK.
 *
 * Source: spec.md of container-storage-interface/spec 1.12, the "Errors" table of each call; INVALID_ARGUMENT, and ABORTED for
 * another call that is pending, of "Error Scheme".
 */

const CREATION = ['NOT_FOUND', 'ALREADY_EXISTS', 'RESOURCE_EXHAUSTED', 'OUT_OF_RANGE', 'FAILED_PRECONDITION'];
const PLACEMENT = ['NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION'];

const OWN: Readonly<Record<string, readonly string[]>> = {
  createVolume: CREATION,
  deleteVolume: ['FAILED_PRECONDITION'],
  controllerPublishVolume: ['UNIMPLEMENTED'],
  controllerUnpublishVolume: ['UNIMPLEMENTED'],
  validateVolumeCapabilities: ['NOT_FOUND'],
  createSnapshot: CREATION,
  deleteSnapshot: ['FAILED_PRECONDITION'],
  getSnapshot: ['NOT_FOUND'],
  controllerExpandVolume: ['NOT_FOUND', 'OUT_OF_RANGE', 'FAILED_PRECONDITION'],
  controllerGetVolume: ['NOT_FOUND'],
  controllerModifyVolume: ['NOT_FOUND'],
  nodeStageVolume: PLACEMENT,
  nodeUnstageVolume: ['NOT_FOUND', 'FAILED_PRECONDITION'],
  // An inline volume is made by it.
  nodePublishVolume: [...PLACEMENT, 'RESOURCE_EXHAUSTED', 'OUT_OF_RANGE'],
  nodeUnpublishVolume: ['NOT_FOUND', 'FAILED_PRECONDITION'],
  nodeGetVolumeStats: ['NOT_FOUND'],
  nodeExpandVolume: ['NOT_FOUND', 'OUT_OF_RANGE', 'FAILED_PRECONDITION'],
  createVolumeGroupSnapshot: CREATION,
  deleteVolumeGroupSnapshot: ['NOT_FOUND', 'FAILED_PRECONDITION'],
  getVolumeGroupSnapshot: ['NOT_FOUND'],
};

export function allowedCodes(call: string): readonly string[] {
  return ['INVALID_ARGUMENT', 'ABORTED', ...(OWN[call] ?? [])];
}
