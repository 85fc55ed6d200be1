/** The fake driver on a socket, for the standard sidecars. */

import { ControllerRpcType, GroupControllerRpcType } from '#messages/csi';
import { silentLogger } from '../../../../shared/log/logger.ts';
import { GuardedCalls } from '../../calls.ts';
import type { CallContext, Driver } from '../../handlers.ts';
import { identityHandlers } from '../../identity.ts';
import { serveDriver } from '../../serve.ts';
import { DRIVER, KEY } from './cluster.ts';
import type { FakeDriver } from './fake-driver.ts';

const RPCS = [
  'CREATE_DELETE_VOLUME',
  'GET_CAPACITY',
  'CREATE_DELETE_SNAPSHOT',
  'LIST_SNAPSHOTS',
  'CLONE_VOLUME',
  'EXPAND_VOLUME',
  'SINGLE_NODE_MULTI_WRITER',
  'MODIFY_VOLUME',
] as const;

/** Serves it as the driver of a node until it is disposed. */
export function serveFake(fake: FakeDriver, node: string, socket: string): Promise<AsyncDisposable> {
  const handlers = Object.fromEntries(
    Object.entries(fake.calls).map(([name, call]) => [
      name,
      (request: object, { signal }: CallContext) =>
        (call as (request: object, signal: AbortSignal) => Promise<object>)(request, signal),
    ]),
  );
  const driver: Driver = {
    name: DRIVER,
    version: '1',
    identity: identityHandlers({
      name: DRIVER,
      version: '1',
      hasTopology: true,
      hasGroups: true,
      expandsOnline: true,
      probe: async () => true,
    }),
    controller: {
      ...handlers,
      controllerGetCapabilities: async () => ({
        capabilities: RPCS.map((name) => ({ rpc: { type: ControllerRpcType[name] } })),
      }),
    },
    groups: {
      ...handlers,
      groupControllerGetCapabilities: async () => ({
        capabilities: [{ rpc: { type: GroupControllerRpcType.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT } }],
      }),
    },
    node: {
      nodeGetInfo: async () => ({ nodeId: node, accessibleTopology: { segments: { [KEY]: node } } }),
      nodeGetCapabilities: async () => ({ capabilities: [] }),
    },
  };
  return serveDriver(new GuardedCalls(driver, { log: silentLogger }), socket);
}
