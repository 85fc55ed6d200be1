/** A containerd of a node's own, where users have it, and crictl and ctr beside it. */
import type { Runtime } from '../../containerd/runtimes.ts';
import { crictlPath } from '../../containerd/runtimes.ts';

export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';

/** Where nodes see the machine's files. */
const onNode = (path: string): string => `/host${path}`;

/** Version 2 of the file is read by 1.6 and by 2.x alike. What is not said is where users have it, CNI above all. */
export const containerdConfig = (sandboxImage: string): string => `version = 2
[grpc]
  address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${sandboxImage}"
  # Without CAP_SYS_RESOURCE no process can be made less likely to be killed than its parent.
  restrict_oom_score_adj = true
`;

/** What it and its shims find, and what is asked of it. */
export function containerdEnvironment(runtime: Runtime): Record<string, string> {
  return {
    PATH: [
      ...runtime.path.map(onNode),
      '/usr/local/sbin',
      '/usr/local/bin',
      '/usr/sbin',
      '/usr/bin',
      '/sbin',
      '/bin',
    ].join(':'),
    LD_LIBRARY_PATH: runtime.libraries.split(':').map(onNode).join(':'),
  };
}

/** @param path of its configuration on the node */
export function containerdCommand({ path: [directory] }: Runtime, path: string): string[] {
  return [`${onNode(directory ?? '')}/containerd`, '--config', path];
}

export function ctrCommand({ path: [directory] }: Runtime): string[] {
  return [`${onNode(directory ?? '')}/ctr`, '--address', CONTAINERD_SOCKET, '--connect-timeout', '1s'];
}

export function crictlCommand(): string[] {
  const endpoint = `unix://${CONTAINERD_SOCKET}`;
  // Without --config it would read the machine's own /etc/crictl.yaml.
  const endpoints = ['--runtime-endpoint', endpoint, '--image-endpoint', endpoint];
  return [onNode(crictlPath), '--config', '/dev/null', ...endpoints, '--timeout', '60s'];
}
