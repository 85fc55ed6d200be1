/** The Identity service, the same for every driver but for what it says. */

import {
  type IdentityCalls,
  PluginCapabilityServiceType,
  PluginCapabilityVolumeExpansionType,
} from '#messages/csi';
import type { Handlers } from './handlers.ts';

/** What a driver says of itself. */
export interface Identity {
  readonly name: string;
  readonly version: string;
  /** Volumes are reached from some nodes only. */
  readonly hasTopology: boolean;
  readonly hasGroups: boolean;
  /** Volumes grow while they are in use. */
  readonly expandsOnline: boolean;
  /** Throws an RpcError where the driver cannot work: FAILED_PRECONDITION for what somebody has to mend. */
  readonly probe: () => Promise<boolean>;
}

/** @returns handlers of the three calls */
export function identityHandlers(identity: Identity): Handlers<typeof IdentityCalls> {
  const { name, version, hasTopology, hasGroups, expandsOnline, probe } = identity;
  const service = PluginCapabilityServiceType;
  const types = [
    service.CONTROLLER_SERVICE,
    ...(hasTopology ? [service.VOLUME_ACCESSIBILITY_CONSTRAINTS] : []),
    ...(hasGroups ? [service.GROUP_CONTROLLER_SERVICE] : []),
  ];
  const capabilities = [
    ...types.map((type) => ({ service: { type } })),
    ...(expandsOnline ? [{ volumeExpansion: { type: PluginCapabilityVolumeExpansionType.ONLINE } }] : []),
  ];
  return {
    getPluginInfo: async () => ({ name, vendorVersion: version }),
    getPluginCapabilities: async () => ({ capabilities }),
    probe: async () => ({ ready: { value: await probe() } }),
  };
}
