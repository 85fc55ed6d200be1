/** Flags of `underpod csi local`. Pure. */

import type { FlagSpec } from '../../shared/config/flags.ts';

export const LOCAL_FLAGS: readonly FlagSpec[] = [
  {
    name: 'pool',
    kind: 'list',
    value: 'NAME=DIR',
    hasCommas: true,
    help: 'a directory for volumes; repeatable, the first is the default',
  },
  {
    name: 'reserve',
    kind: 'integer',
    value: 'PERCENT',
    default: '5',
    help: "of a pool's file system that no volume gets; thin volumes need one",
  },
  {
    name: 'node-id',
    kind: 'string',
    value: 'NAME',
    help: 'the name of this node (default NODE_NAME, or the host name)',
  },
  {
    name: 'endpoint',
    kind: 'string',
    value: 'unix://PATH',
    help: "the driver's socket (default below --kubelet-dir: plugins/local.underpod.io/csi.sock)",
  },
  {
    name: 'kubelet-dir',
    kind: 'string',
    value: 'DIR',
    default: '/var/lib/kubelet',
    help: "the kubelet's root directory",
  },
  {
    name: 'kubeconfig',
    kind: 'string',
    value: 'FILE',
    help: "how to reach the Kubernetes API (default: a pod's service account)",
  },
  {
    name: 'no-provisioner',
    kind: 'boolean',
    help: 'leave claims, snapshots and capacity to the standard sidecars',
  },
  {
    name: 'no-registration',
    kind: 'boolean',
    help: 'leave it to node-driver-registrar to tell the kubelet of the driver',
  },
  {
    name: 'state-dir',
    kind: 'string',
    value: 'DIR',
    default: '/var/lib/underpod/csi-local',
    help: 'what this node knows of the use of volumes',
  },
  {
    name: 'run-dir',
    kind: 'string',
    value: 'DIR',
    default: '/run/underpod',
    help: 'the socket that status reads',
  },
  {
    name: 'metrics-address',
    kind: 'string',
    value: 'IP',
    default: '127.0.0.1',
    help: 'address of --metrics-port',
  },
  {
    name: 'metrics-port',
    kind: 'integer',
    value: 'PORT',
    default: '9321',
    help: 'serve /metrics, /healthz and /readyz here; 0: no',
  },
  {
    name: 'config',
    kind: 'string',
    value: 'FILE',
    help: 'configuration file (default /etc/underpod/config.yaml, section "csi-local:")',
  },
  {
    name: 'log-level',
    kind: 'string',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    help: 'least level that is logged',
  },
  {
    name: 'log-format',
    kind: 'string',
    choices: ['text', 'json'],
    default: 'text',
    help: 'one line an event, or one object',
  },
  { name: 'version', kind: 'boolean', help: 'print the version and exit' },
];
