/** Nodes as kubelets write them, 12 kB of JSON each. Pure. */

/** Images that a kubelet reports at most (kubelet, --node-status-max-images). */
const IMAGES = 50;

/** The sixteen hexadecimal digits of a number, four times: as long as a SHA-256. */
function digest(node: number, image: number): string {
  return (node * 1000 + image).toString(16).padStart(16, '0').repeat(4);
}

/** The address of node `index`, 10.64.0.1 and up. */
export function addressOfNode(index: number): string {
  return `10.${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

/** What flanneld, or the agent, wrote into it; subnets are 10.128.0.0/24 and up. */
export function kubeletNode(index: number): object {
  const name = `node-${String(index).padStart(5, '0')}.example.internal`;
  const address = addressOfNode(index);
  const podCIDR = `10.${128 + (index >> 8)}.${index & 255}.0/24`;
  const time = '2026-01-01T00:00:00Z';
  const flannel = 'flannel.alpha.coreos.com';
  const mac = `0a:58:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
  const condition = (type: string, status: string, reason: string): object => ({
    type,
    status,
    lastHeartbeatTime: time,
    lastTransitionTime: time,
    reason,
    message: `kubelet has ${reason}`,
  });
  return {
    metadata: {
      name,
      uid: `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`,
      resourceVersion: String(100_000 + index),
      creationTimestamp: time,
      labels: {
        'beta.kubernetes.io/arch': 'amd64',
        'beta.kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
      },
      annotations: {
        [`${flannel}/backend-data`]: `{"VNI":1,"VtepMAC":"${mac}"}`,
        [`${flannel}/backend-type`]: 'vxlan',
        [`${flannel}/kube-subnet-manager`]: 'true',
        [`${flannel}/public-ip`]: address,
        'node.alpha.kubernetes.io/ttl': '0',
        'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
      },
    },
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: {
      capacity: { cpu: '8', 'ephemeral-storage': '101430960Ki', memory: '32662516Ki', pods: '110' },
      allocatable: { cpu: '8', 'ephemeral-storage': '93478772582', memory: '32560116Ki', pods: '110' },
      conditions: [
        condition('NetworkUnavailable', 'False', 'FlannelIsUp'),
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID'),
        condition('Ready', 'True', 'KubeletReady'),
      ],
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: {
        machineID: digest(index, 0).slice(0, 32),
        systemUUID: digest(index, 1).slice(0, 32),
        bootID: digest(index, 2).slice(0, 32),
        kernelVersion: '6.1.0-18-amd64',
        osImage: 'Debian GNU/Linux 12 (bookworm)',
        containerRuntimeVersion: 'containerd://2.1.4',
        kubeletVersion: 'v1.36.3',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
      images: Array.from({ length: IMAGES }, (_, image) => ({
        names: [
          `registry.example.com/team/service-${image}@sha256:${digest(index, image)}`,
          `registry.example.com/team/service-${image}:v1.${image}.${index % 10}`,
        ],
        sizeBytes: 50_000_000 + image,
      })),
    },
  };
}
