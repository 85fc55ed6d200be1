/**
 * Makes the driver known to the kubelet, which watches a directory for sockets and asks each what is behind it (plugin
 * registration v1): what node-driver-registrar does from a container of its own.
 */

import { RegistrationCalls } from '#messages/pluginregistration';
import { RpcServer } from '../../shared/grpc/server.ts';
import type { Logger } from '../../shared/log/logger.ts';
import { mkdirp } from '../../shared/sys/file.ts';

export interface RegistrationOptions {
  /** The driver's. */
  readonly name: string;
  /** Of the driver's socket, as the kubelet sees it. */
  readonly endpoint: string;
  /** `/var/lib/kubelet/plugins_registry` */
  readonly directory: string;
  readonly log: Logger;
  /** The kubelet said whether it took the driver. */
  readonly onStatus?: (registered: boolean, error: string) => void;
}

/** The versions of CSI that the kubelet is told: it wants at least one of its own, and 1.0.0 stands for all of 1.x. */
const VERSIONS = ['1.0.0'];

/** Registers until it is disposed; the kubelet asks again whenever it starts. */
export async function register(options: RegistrationOptions): Promise<AsyncDisposable> {
  const { name, endpoint, directory, log, onStatus } = options;
  mkdirp(directory, 0o750);
  const server = new RpcServer()
    .unary(RegistrationCalls.getInfo, () => ({
      type: 'CSIPlugin',
      name,
      endpoint,
      supportedVersions: VERSIONS,
    }))
    .unary(RegistrationCalls.notifyRegistrationStatus, ({ pluginRegistered, error }) => {
      if (pluginRegistered) log.info('the kubelet knows the driver now');
      // It asks again after a while: nothing is to be restarted.
      else log.error('the kubelet does not take the driver', { error });
      onStatus?.(pluginRegistered, error);
      return {};
    });
  await server.listen(`${directory}/${name}-reg.sock`);
  return { [Symbol.asyncDispose]: () => server.stop(0) };
}
