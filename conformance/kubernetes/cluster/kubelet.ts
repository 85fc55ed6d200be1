/** A node's kubelet and kube-proxy: what they are told, as kubeadm would, and what this machine needs beside it. */
import { writeFileSync } from 'node:fs';
import { CONTAINERD_SOCKET } from './node-containerd.ts';

/** Where a node has the files of its kubelet. */
export const KUBELET_DIRECTORY = '/var/lib/kubelet';

/** Kernel parameters of the whole machine that a kubelet sets; it finds them set. */
const TUNABLES: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/** The shell script that lays files over them, since a node is no machine of its own. */
export const COVER_TUNABLES: string = Object.entries(TUNABLES)
  .map(([path, value]) => {
    const file = `/run/tunable-${path.replaceAll('/', '-')}`;
    return `echo ${value} > ${file}\nmount --bind ${file} /proc/sys/${path}\n`;
  })
  .join('');

/** Nothing is ever full: what is measured is the machine's, on which a test has no say. */
const NEVER = Object.fromEntries(
  [
    'memory.available',
    'nodefs.available',
    'nodefs.inodesFree',
    'imagefs.available',
    'imagefs.inodesFree',
  ].map((signal) => [signal, '0%']),
);

export interface KubeletFiles {
  /** The node's `KUBELET_DIRECTORY` as this process reaches it. */
  readonly directory: string;
  /** Of the cluster. */
  readonly ca: string;
}

/** Writes its configuration. */
export function writeKubeletConfig({ directory, ca }: KubeletFiles): void {
  writeFileSync(`${directory}/ca.crt`, ca);
  writeFileSync(
    `${directory}/config.yaml`,
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: false },
        x509: { clientCAFile: `${KUBELET_DIRECTORY}/ca.crt` },
      },
      authorization: { mode: 'AlwaysAllow' },
      containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
      resolvConf: '/etc/resolv.conf',
      failSwapOn: false,
      // Groups of version 1, and a directory of them for a root, in which there is nothing to be reserved.
      cgroupDriver: 'cgroupfs',
      failCgroupV1: false,
      cgroupsPerQOS: false,
      enforceNodeAllocatable: [],
      // Without CAP_SYS_RESOURCE nobody can be made less likely to be killed than his parent.
      oomScoreAdj: 0,
      evictionHard: NEVER,
      imageGCHighThresholdPercent: 100,
      // A node's death is part of what is tried.
      nodeStatusUpdateFrequency: '5s',
      syncFrequency: '10s',
    }),
  );
}

/** Its command line. */
export function kubeletCommand(program: string, name: string, addresses: readonly string[]): string[] {
  return [
    program,
    `--config=${KUBELET_DIRECTORY}/config.yaml`,
    `--kubeconfig=${KUBELET_DIRECTORY}/kubeconfig`,
    `--root-dir=${KUBELET_DIRECTORY}`,
    `--cert-dir=${KUBELET_DIRECTORY}/pki`,
    `--hostname-override=${name}`,
    `--node-ip=${addresses.join(',')}`,
  ];
}

/** kube-proxy's command line: it makes the API server's service address work, by which the agent's pod finds it. */
export function kubeProxyCommand(program: string, name: string, podNetworks: readonly string[]): string[] {
  return [
    program,
    `--kubeconfig=${KUBELET_DIRECTORY}/kube-proxy.kubeconfig`,
    `--hostname-override=${name}`,
    '--proxy-mode=iptables',
    `--cluster-cidr=${podNetworks.join(',')}`,
    // The table of connections is the machine's.
    '--conntrack-max-per-core=0',
    ...['established', 'close-wait'].map((state) => `--conntrack-tcp-timeout-${state}=0s`),
  ];
}
