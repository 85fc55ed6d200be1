/** The agent's flags: flanneld's, with its defaults but for --ip-masq, and our own. */

import type { FlagSpec } from '../../shared/config/flags.ts';

/** flanneld's flags for its two datastores. */
const DATASTORE_FLAGS: readonly FlagSpec[] = [
  {
    name: 'kube-subnet-mgr',
    kind: 'boolean',
    help: 'subnets from the Kubernetes API: as --datastore=kubernetes',
  },
  {
    name: 'kube-api-url',
    kind: 'string',
    value: 'URL',
    help: "Kubernetes API server, if not that of --kubeconfig-file or of the pod's service account",
  },
  { name: 'kubeconfig-file', kind: 'string', value: 'FILE', help: 'credentials for it' },
  {
    name: 'kube-annotation-prefix',
    kind: 'string',
    value: 'PREFIX',
    default: 'flannel.alpha.coreos.com',
    help: 'prefix of node annotations',
  },
  {
    name: 'set-node-network-unavailable',
    kind: 'boolean',
    default: 'true',
    help: 'set the node condition NetworkUnavailable to false once the node is registered',
  },
  {
    name: 'etcd-endpoints',
    kind: 'list',
    value: 'URL',
    default: 'http://127.0.0.1:4001,http://127.0.0.1:2379',
    help: 'etcd servers, separated by commas',
  },
  {
    name: 'etcd-prefix',
    kind: 'string',
    value: 'KEY',
    default: '/coreos.com/network',
    help: 'prefix of keys in etcd',
  },
  { name: 'etcd-keyfile', kind: 'string', value: 'FILE', help: 'key of our certificate for etcd' },
  { name: 'etcd-certfile', kind: 'string', value: 'FILE', help: 'our certificate for etcd' },
  { name: 'etcd-cafile', kind: 'string', value: 'FILE', help: "authority of etcd's certificate" },
  { name: 'etcd-username', kind: 'string', value: 'NAME', help: 'user name for etcd' },
  { name: 'etcd-password', kind: 'string', value: 'WORD', help: 'password for etcd' },
];

/** Flags of flanneld that work. */
const FLANNEL_FLAGS: readonly FlagSpec[] = [
  {
    name: 'iface',
    kind: 'list',
    value: 'NAME|IP',
    help: 'interface (name or address) to reach other nodes by; repeatable, first match wins',
  },
  {
    name: 'iface-regex',
    kind: 'list',
    hasCommas: true,
    value: 'REGEX',
    help: 'as --iface, by a regular expression of name or address, as Go has them',
  },
  {
    name: 'iface-can-reach',
    kind: 'string',
    value: 'IP',
    help: 'the interface that the route to this address takes',
  },
  {
    name: 'public-ip',
    kind: 'string',
    value: 'IP',
    help: "IPv4 address to tell other nodes, if not the interface's; an interface that has it is used",
  },
  {
    name: 'public-ipv6',
    kind: 'string',
    value: 'IP',
    help: 'the same of IPv6',
  },
  {
    name: 'net-config-path',
    kind: 'string',
    value: 'FILE',
    default: '/etc/kube-flannel/net-conf.json',
    help: "flannel's network configuration",
  },
  {
    name: 'subnet-file',
    kind: 'string',
    value: 'FILE',
    default: '/run/flannel/subnet.env',
    help: 'what CNI plugins read the subnet from',
  },
  {
    name: 'subnet-lease-renew-margin',
    kind: 'integer',
    value: 'MINUTES',
    default: '60',
    help: 'renew the lease when no more than this is left; it is renewed at half its time in any case',
  },
  {
    name: 'ip-masq',
    kind: 'boolean',
    default: 'true',
    help: 'masquerade what leaves the cluster (flanneld: false)',
  },
  {
    name: 'ip-masq-fully-random-disable',
    kind: 'boolean',
    help: 'let the kernel choose source ports in order',
  },
  {
    name: 'iptables-resync',
    kind: 'integer',
    value: 'SECONDS',
    default: '5',
    help: 'compare packet filter rules this often even if nothing told of a change',
  },
  { name: 'iptables-forward-rules', kind: 'boolean', default: 'true', help: 'accept forwarding for pods' },
  {
    name: 'ip-blackhole-route',
    kind: 'boolean',
    help: "drop packets for addresses of this node's subnet that no pod has",
  },
  { name: 'healthz-ip', kind: 'string', value: 'IP', default: '0.0.0.0', help: 'address of --healthz-port' },
  {
    name: 'healthz-port',
    kind: 'integer',
    value: 'PORT',
    default: '0',
    help: 'serve /healthz and /readyz here too; 0: no',
  },
  { name: 'v', kind: 'integer', value: 'LEVEL', default: '0', help: 'from 4 on as --log-level=debug' },
  { name: 'version', kind: 'boolean', help: 'print the version and exit' },
];

/** Flags that flanneld does not have. */
const OWN_FLAGS: readonly FlagSpec[] = [
  {
    name: 'datastore',
    kind: 'string',
    choices: ['embedded', 'kubernetes', 'etcd'],
    help: 'where node leases live; by default what the flags above ask for, else the embedded store',
  },
  {
    name: 'store',
    kind: 'string',
    value: 'FILE',
    default: '/var/lib/underpod/store.db',
    help: 'the embedded store; nodes on one machine may share it',
  },
  {
    name: 'state-dir',
    kind: 'string',
    value: 'DIR',
    default: '/var/lib/underpod',
    help: "this node's own state",
  },
  {
    name: 'rules',
    kind: 'string',
    choices: ['nftables', 'iptables'],
    help: 'where the rules are; by default what EnableNFTables in net-conf.json says, else nftables',
  },
  { name: 'lease-ttl', kind: 'duration', default: '24h', help: 'how long a lease lasts without renewal' },
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
    default: '9320',
    help: 'serve /metrics, /healthz and /readyz here; 0: no',
  },
  {
    name: 'run-dir',
    kind: 'string',
    value: 'DIR',
    default: '/run/underpod',
    help: 'directory of agent.sock',
  },
  {
    name: 'proc-sys',
    kind: 'string',
    value: 'DIR',
    default: '/proc/sys',
    help: "where kernel parameters are set; in a container, where the host's are mounted writable",
  },
  {
    name: 'repair',
    kind: 'boolean',
    default: 'true',
    help: 'put right at once what others change (tests turn it off)',
  },
  {
    name: 'log-level',
    kind: 'string',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    help: 'least level',
  },
  {
    name: 'log-format',
    kind: 'string',
    choices: ['text', 'json'],
    default: 'text',
    help: 'form of log lines',
  },
  {
    name: 'config',
    kind: 'string',
    value: 'FILE',
    help: 'YAML file with a section "agent:" (default /etc/underpod/config.yaml, if there)',
  },
];

/** flanneld's log library takes these. They are accepted, since manifests and unit files have them, and do nothing. */
export const IGNORED_FLAGS: readonly FlagSpec[] = [
  { name: 'vmodule', kind: 'string', help: 'log level by source file' },
  { name: 'logtostderr', kind: 'boolean', help: 'log to stderr (always so)' },
  { name: 'alsologtostderr', kind: 'boolean', help: 'log to stderr as well as to files' },
  { name: 'stderrthreshold', kind: 'string', help: 'level from which on to log to stderr' },
  { name: 'log_dir', kind: 'string', help: 'directory of log files' },
  { name: 'log_file', kind: 'string', help: 'log file' },
  { name: 'log_file_max_size', kind: 'string', help: 'its size' },
  { name: 'log_backtrace_at', kind: 'string', help: 'line of source to log the stack at' },
  { name: 'log_link', kind: 'string', help: 'directory of links to log files' },
  { name: 'logbuflevel', kind: 'string', help: 'level up to which log files are buffered' },
  { name: 'one_output', kind: 'boolean', help: 'log each event to one file' },
  { name: 'add_dir_header', kind: 'boolean', help: "source file's directory in log lines" },
  { name: 'skip_headers', kind: 'boolean', help: 'no headers in log lines' },
  { name: 'skip_log_headers', kind: 'boolean', help: 'no headers in log files' },
];

/** Every flag, in the order of the help. */
export const AGENT_FLAGS: readonly FlagSpec[] = [
  ...FLANNEL_FLAGS,
  ...DATASTORE_FLAGS,
  ...OWN_FLAGS,
  ...IGNORED_FLAGS,
];

/** Groups for the help text. */
export const FLAG_GROUPS: readonly { readonly title: string; readonly flags: readonly FlagSpec[] }[] = [
  { title: "flanneld's flags", flags: FLANNEL_FLAGS },
  { title: "flanneld's flags for Kubernetes and etcd", flags: DATASTORE_FLAGS },
  { title: 'Further flags', flags: OWN_FLAGS },
  { title: 'Accepted and ignored', flags: IGNORED_FLAGS },
];
