/** What the provisioner asks of the driver in its own process, as sidecars would over a socket. */

import {
  ControllerCalls,
  type ControllerExpandVolumeRequest,
  type ControllerExpandVolumeResponse,
  type ControllerModifyVolumeRequest,
  type CreateSnapshotRequest,
  type CreateSnapshotResponse,
  type CreateVolumeGroupSnapshotRequest,
  type CreateVolumeGroupSnapshotResponse,
  type CreateVolumeRequest,
  type CreateVolumeResponse,
  type DeleteSnapshotRequest,
  type DeleteVolumeGroupSnapshotRequest,
  type DeleteVolumeRequest,
  type GetCapacityRequest,
  type GetCapacityResponse,
  type GetVolumeGroupSnapshotRequest,
  type GetVolumeGroupSnapshotResponse,
  GroupControllerCalls,
  type ListSnapshotsRequest,
  type ListSnapshotsResponse,
} from '#messages/csi';
import { decode } from '../../../shared/grpc/wire/decode.ts';
import { encode } from '../../../shared/grpc/wire/encode.ts';
import type { Init, MessageType, UnaryMethod } from '../../../shared/grpc/wire/schema.ts';

/** One call: any field of the request may be left out, none of the answer's is. Throws RpcError, or whatever a handler throws. */
export type Call<Request, Response> = (request: Init<Request>, signal: AbortSignal) => Promise<Response>;

/** What a driver cannot do is absent. */
export interface DriverCalls {
  readonly createVolume: Call<CreateVolumeRequest, CreateVolumeResponse>;
  readonly deleteVolume: Call<DeleteVolumeRequest, object>;
  readonly getCapacity?: Call<GetCapacityRequest, GetCapacityResponse>;
  readonly controllerExpandVolume?: Call<ControllerExpandVolumeRequest, ControllerExpandVolumeResponse>;
  readonly controllerModifyVolume?: Call<ControllerModifyVolumeRequest, object>;
  readonly createSnapshot?: Call<CreateSnapshotRequest, CreateSnapshotResponse>;
  readonly deleteSnapshot?: Call<DeleteSnapshotRequest, object>;
  readonly listSnapshots?: Call<ListSnapshotsRequest, ListSnapshotsResponse>;
  readonly createVolumeGroupSnapshot?: Call<
    CreateVolumeGroupSnapshotRequest,
    CreateVolumeGroupSnapshotResponse
  >;
  readonly deleteVolumeGroupSnapshot?: Call<DeleteVolumeGroupSnapshotRequest, object>;
  readonly getVolumeGroupSnapshot?: Call<GetVolumeGroupSnapshotRequest, GetVolumeGroupSnapshotResponse>;
}

/** Runs one of the driver's calls with what is around every call: checks, turns, log. */
export type Invoke = <Request extends object, Response extends object>(
  name: string,
  method: UnaryMethod<Request, Response>,
  request: Request,
  signal: AbortSignal,
) => Promise<Init<Response>>;

/** @param has whether the driver has a handler of that name */
export function driverCalls(invoke: Invoke, has: (name: keyof DriverCalls) => boolean): DriverCalls {
  const methods = { ...ControllerCalls, ...GroupControllerCalls };
  const call =
    <Request extends object, Response extends object>(
      name: string,
      method: UnaryMethod<Request, Response>,
    ): Call<Request, Response> =>
    async (request, signal) =>
      whole(
        method.response,
        await invoke(name, method, whole(method.request, request as Init<Request>), signal),
      );
  const given = (Object.keys(NAMES) as (keyof DriverCalls)[])
    .filter((name) => has(name) || name === 'createVolume' || name === 'deleteVolume')
    .map((name) => [name, call(name, methods[name] as UnaryMethod<object, object>)]);
  return Object.fromEntries(given) as unknown as DriverCalls;
}

/** Every call there is. */
const NAMES: Readonly<Record<keyof DriverCalls, true>> = {
  createVolume: true,
  deleteVolume: true,
  getCapacity: true,
  controllerExpandVolume: true,
  controllerModifyVolume: true,
  createSnapshot: true,
  deleteSnapshot: true,
  listSnapshots: true,
  createVolumeGroupSnapshot: true,
  deleteVolumeGroupSnapshot: true,
  getVolumeGroupSnapshot: true,
};

/** A message with every field, as it would arrive by a socket. */
export function whole<M extends object>(type: MessageType<M>, message: Init<M>): M {
  return decode(type, encode(type, message));
}
