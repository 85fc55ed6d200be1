/** flannel as its users install it: its DaemonSet, with a real flanneld in an image that is made here. */
import { readFileSync, writeFileSync } from 'node:fs';
import { nativeArchitecture } from '../../../scripts/bun-runtime.ts';
import { baseLayer } from '../../../scripts/image/base-layer.ts';
import { imageArchive } from '../../../scripts/image/oci.ts';
import { upstreamFlannel } from '../../cni/upstream.ts';
import { FLANNEL_VERSION, flanneld } from '../../flannel/programs.ts';
import type { Image } from './images.ts';

const TAG = `flannel-of-a-test:${FLANNEL_VERSION}`;
const NAMESPACE = 'kube-flannel';

/** The image; its programs are where those of flannel's images are. @returns undefined, with the reason printed, where it cannot be made */
export function flannelImage(directory: string): Image | undefined {
  const plugin = upstreamFlannel();
  const busybox = Bun.which('busybox');
  if (plugin === undefined || busybox === null) return undefined;
  const file = (path: string, from: string) =>
    ({ path, type: 'file', mode: 0o755, content: readFileSync(from) }) as const;
  const archive = imageArchive({
    architecture: nativeArchitecture(),
    reference: TAG,
    layers: [
      { createdBy: 'packages of Debian', entries: baseLayer(nativeArchitecture()).entries },
      {
        createdBy: 'flannel',
        entries: [file('opt/bin/flanneld', flanneld), file('flannel', plugin), file('usr/bin/cp', busybox)],
      },
    ],
    entrypoint: ['/opt/bin/flanneld'],
    env: ['PATH=/opt/bin:/usr/sbin:/usr/bin'],
    labels: {},
  });
  const path = `${directory}/flannel.image.tar`;
  writeFileSync(path, archive);
  return { archive: path, reference: `docker.io/library/${TAG}` };
}

const CONFLIST = {
  name: 'cbr0',
  cniVersion: '0.3.1',
  plugins: [
    { type: 'flannel', delegate: { hairpinMode: true, isDefaultGateway: true } },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

const hostPath = (name: string, path: string, type?: string): object => ({
  name,
  hostPath: { path, ...(type !== undefined && { type }) },
});
const mount = (name: string, mountPath: string): object => ({ name, mountPath });
const fieldRef = (name: string, fieldPath: string): object => ({
  name,
  valueFrom: { fieldRef: { fieldPath } },
});

/** What `kubectl apply` is given. @param netConf net-conf.json */
export function flannelManifest(netConf: object): object {
  const meta = { name: 'flannel', namespace: NAMESPACE };
  const labels = { app: 'flannel' };
  const rbac = 'rbac.authorization.k8s.io';
  const onLinux = { key: 'kubernetes.io/os', operator: 'In', values: ['linux'] };
  const copy = (name: string, from: string, to: string, ...volumeMounts: object[]): object => ({
    name,
    image: TAG,
    command: ['cp', '-f', from, to],
    volumeMounts,
  });
  const config = mount('flannel-cfg', '/etc/kube-flannel/');
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'ClusterRole',
        metadata: { name: 'flannel' },
        rules: [
          { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
          { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
          { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] },
        ],
      },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name: 'flannel' },
        roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'flannel' },
        subjects: [{ kind: 'ServiceAccount', ...meta }],
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kube-flannel-cfg', namespace: NAMESPACE },
        data: { 'cni-conf.json': JSON.stringify(CONFLIST), 'net-conf.json': JSON.stringify(netConf) },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'DaemonSet',
        metadata: { name: 'kube-flannel-ds', namespace: NAMESPACE },
        spec: {
          selector: { matchLabels: labels },
          template: {
            metadata: { labels },
            spec: {
              affinity: {
                nodeAffinity: {
                  requiredDuringSchedulingIgnoredDuringExecution: {
                    nodeSelectorTerms: [{ matchExpressions: [onLinux] }],
                  },
                },
              },
              hostNetwork: true,
              priorityClassName: 'system-node-critical',
              serviceAccountName: 'flannel',
              tolerations: [{ operator: 'Exists', effect: 'NoSchedule' }],
              initContainers: [
                copy(
                  'install-cni-plugin',
                  '/flannel',
                  '/opt/cni/bin/flannel',
                  mount('cni-plugin', '/opt/cni/bin'),
                ),
                copy(
                  'install-cni',
                  '/etc/kube-flannel/cni-conf.json',
                  '/etc/cni/net.d/10-flannel.conflist',
                  mount('cni', '/etc/cni/net.d'),
                  config,
                ),
              ],
              containers: [
                {
                  name: 'kube-flannel',
                  image: TAG,
                  command: ['/opt/bin/flanneld'],
                  args: ['--ip-masq', '--kube-subnet-mgr'],
                  securityContext: { privileged: false, capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
                  env: [
                    fieldRef('POD_NAME', 'metadata.name'),
                    fieldRef('POD_NAMESPACE', 'metadata.namespace'),
                    { name: 'EVENT_QUEUE_DEPTH', value: '5000' },
                  ],
                  volumeMounts: [
                    mount('run', '/run/flannel'),
                    mount('xtables-lock', '/run/xtables.lock'),
                    config,
                  ],
                },
              ],
              volumes: [
                hostPath('run', '/run/flannel'),
                hostPath('cni-plugin', '/opt/cni/bin'),
                hostPath('cni', '/etc/cni/net.d'),
                hostPath('xtables-lock', '/run/xtables.lock', 'FileOrCreate'),
                { name: 'flannel-cfg', configMap: { name: 'kube-flannel-cfg' } },
              ],
            },
          },
        },
      },
    ],
  };
}
