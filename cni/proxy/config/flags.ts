/** The proxy's flags: kube-proxy's, with its names and defaults, and our own. */

import type { FlagSpec } from '../../../shared/config/flags.ts';

/** kube-proxy's flags that work with and without `--config`. */
const COMMAND_FLAGS: readonly FlagSpec[] = [
  {
    name: 'config',
    kind: 'string',
    value: 'FILE',
    help: 'a KubeProxyConfiguration; it wins over all flags below "kube-proxy\'s configuration as flags"',
  },
  {
    name: 'hostname-override',
    kind: 'string',
    value: 'NAME',
    help: "the Node's name; wins over the file (default NODE_NAME, or the host's name)",
  },
  { name: 'master', kind: 'string', value: 'URL', help: "API server in place of the kubeconfig's" },
  { name: 'cleanup', kind: 'boolean', help: 'remove what the proxy has programmed on this node, and exit' },
  {
    name: 'init-only',
    kind: 'boolean',
    help: 'set the kernel parameters that take full privileges, and exit',
  },
  {
    name: 'write-config-to',
    kind: 'string',
    value: 'FILE',
    help: 'write the configuration, defaults included, to this file and exit',
  },
  { name: 'v', kind: 'integer', value: 'LEVEL', default: '0', help: 'from 4 on as --log-level=debug' },
  { name: 'version', kind: 'boolean', help: 'print the version and exit' },
];

/** kube-proxy's flags that a file replaces. */
export const CONFIGURATION_FLAGS: readonly FlagSpec[] = [
  {
    name: 'proxy-mode',
    kind: 'string',
    value: 'nftables|iptables|ipvs',
    help: "how services are programmed (default nftables; kube-proxy's is iptables)",
  },
  { name: 'kubeconfig', kind: 'string', value: 'FILE', help: 'the API server and credentials for it' },
  {
    name: 'cluster-cidr',
    kind: 'string',
    value: 'CIDR[,CIDR]',
    help: "the pods' network, by which traffic of pods is told from other traffic",
  },
  {
    name: 'detect-local-mode',
    kind: 'string',
    value: 'MODE',
    help: 'ClusterCIDR, NodeCIDR, BridgeInterface or InterfaceNamePrefix (default ClusterCIDR)',
  },
  { name: 'pod-bridge-interface', kind: 'string', value: 'NAME', help: 'the bridge of BridgeInterface' },
  {
    name: 'pod-interface-name-prefix',
    kind: 'string',
    value: 'PREFIX',
    help: 'the prefix of InterfaceNamePrefix',
  },
  {
    name: 'nodeport-addresses',
    kind: 'list',
    value: 'CIDR',
    help: "where node ports are served: networks, or primary (the Node's own addresses), or all",
  },
  {
    name: 'masquerade-all',
    kind: 'boolean',
    help: 'masquerade whatever goes to cluster IPs',
  },
  {
    name: 'iptables-masquerade-bit',
    kind: 'integer',
    value: 'BIT',
    default: '14',
    help: 'bit of the packet mark that asks for masquerading (iptables and ipvs)',
  },
  {
    name: 'iptables-localhost-nodeports',
    kind: 'boolean',
    default: 'true',
    help: 'node ports on 127.0.0.1 (iptables only)',
  },
  { name: 'iptables-sync-period', kind: 'duration', default: '30s', help: 'try this often what failed' },
  {
    name: 'iptables-min-sync-period',
    kind: 'duration',
    default: '1s',
    help: 'least time between two changes; its default does not bind: changes are programmed at once',
  },
  { name: 'ipvs-sync-period', kind: 'duration', default: '30s', help: 'as --iptables-sync-period' },
  { name: 'ipvs-min-sync-period', kind: 'duration', default: '1s', help: 'as --iptables-min-sync-period' },
  { name: 'ipvs-scheduler', kind: 'string', value: 'NAME', help: 'how ipvs chooses (default rr)' },
  { name: 'ipvs-exclude-cidrs', kind: 'list', value: 'CIDR', help: 'whose virtual servers are left alone' },
  { name: 'ipvs-strict-arp', kind: 'boolean', help: 'no ARP answers for service addresses' },
  { name: 'ipvs-tcp-timeout', kind: 'duration', default: '0', help: 'idle TCP connections; 0: as it is' },
  { name: 'ipvs-tcpfin-timeout', kind: 'duration', default: '0', help: 'TCP after FIN; 0: as it is' },
  { name: 'ipvs-udp-timeout', kind: 'duration', default: '0', help: 'idle UDP flows; 0: as it is' },
  {
    name: 'healthz-bind-address',
    kind: 'string',
    value: 'IP:PORT',
    default: '0.0.0.0:10256',
    help: 'serve /healthz and /livez here; empty: no',
  },
  {
    name: 'metrics-bind-address',
    kind: 'string',
    value: 'IP:PORT',
    default: '127.0.0.1:10249',
    help: 'serve /metrics, /proxyMode and /configz here; empty: no',
  },
  { name: 'healthz-port', kind: 'integer', value: 'PORT', default: '10256', help: '0: no /healthz' },
  { name: 'metrics-port', kind: 'integer', value: 'PORT', default: '10249', help: '0: no /metrics' },
  {
    name: 'bind-address',
    kind: 'string',
    value: 'IP',
    default: '0.0.0.0',
    help: "the node's own address, where it is not the Node's; nothing is bound to it",
  },
  {
    name: 'oom-score-adj',
    kind: 'integer',
    value: 'N',
    default: '-999',
    help: "this process's oom_score_adj",
  },
  {
    name: 'conntrack-max-per-core',
    kind: 'integer',
    value: 'N',
    default: '32768',
    help: 'connections to track a core; 0: as it is',
  },
  {
    name: 'conntrack-min',
    kind: 'integer',
    value: 'N',
    default: '131072',
    help: 'connections to track at the least',
  },
  {
    name: 'conntrack-tcp-timeout-established',
    kind: 'duration',
    default: '24h',
    help: 'idle TCP connections; 0: as it is',
  },
  {
    name: 'conntrack-tcp-timeout-close-wait',
    kind: 'duration',
    default: '1h',
    help: 'TCP in CLOSE_WAIT; 0: as it is',
  },
  { name: 'conntrack-tcp-be-liberal', kind: 'boolean', help: 'take packets outside the window for valid' },
  { name: 'conntrack-udp-timeout', kind: 'duration', default: '0', help: 'unanswered UDP; 0: as it is' },
  { name: 'conntrack-udp-timeout-stream', kind: 'duration', default: '0', help: 'answered UDP; 0: as it is' },
  {
    name: 'feature-gates',
    kind: 'list',
    value: 'NAME=true',
    help: 'told in /configz; none changes anything',
  },
];

/** Flags that kube-proxy does not have. */
const OWN_FLAGS: readonly FlagSpec[] = [
  {
    name: 'strict-config',
    kind: 'boolean',
    help: 'an unknown key in --config is an error (else a warning, as in kube-proxy)',
  },
  {
    name: 'remove-kube-proxy',
    kind: 'boolean',
    default: 'true',
    help: "remove kube-proxy's rules once ours are in and its port of /healthz is free: it has ended",
  },
  {
    name: 'datastore',
    kind: 'string',
    choices: ['embedded', 'kubernetes'],
    help: 'where Services are; by default Kubernetes where a kubeconfig or a service account leads to it',
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
    name: 'run-dir',
    kind: 'string',
    value: 'DIR',
    default: '/run/underpod',
    help: 'directory of proxy.sock',
  },
  {
    name: 'cni-cache-dir',
    kind: 'string',
    value: 'DIR',
    default: '/var/lib/cni',
    help: "where CNI runtimes keep results: pods' addresses, with the embedded store",
  },
  {
    name: 'proc-sys',
    kind: 'string',
    value: 'DIR',
    default: '/proc/sys',
    help: "where kernel parameters are set; in a container, where the host's are mounted writable",
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
];

/** kube-proxy takes these. They are accepted, since manifests and unit files have them, and do nothing. */
export const IGNORED_FLAGS: readonly FlagSpec[] = [
  {
    name: 'kube-api-content-type',
    kind: 'string',
    help: 'content type of requests (JSON is what is asked for)',
  },
  { name: 'kube-api-burst', kind: 'integer', help: 'burst of requests' },
  { name: 'kube-api-qps', kind: 'string', help: 'rate of requests' },
  {
    name: 'config-sync-period',
    kind: 'duration',
    help: 'how often everything is listed (watches are followed)',
  },
  { name: 'bind-address-hard-fail', kind: 'boolean', help: 'a taken port as an error (it is tried again)' },
  { name: 'profiling', kind: 'boolean', help: 'profiles of Go' },
  { name: 'show-hidden-metrics-for-version', kind: 'string', help: 'metrics of an earlier release' },
  { name: 'logging-format', kind: 'string', help: 'see --log-format' },
  { name: 'log-flush-frequency', kind: 'string', help: 'how often log lines are written (at once)' },
  { name: 'vmodule', kind: 'string', help: 'log level by source file' },
  { name: 'logtostderr', kind: 'boolean', help: 'log to stderr (always so)' },
  { name: 'alsologtostderr', kind: 'boolean', help: 'log to stderr as well as to files' },
  { name: 'stderrthreshold', kind: 'string', help: 'level from which on to log to stderr' },
  { name: 'log-dir', kind: 'string', help: 'directory of log files' },
  { name: 'log-file', kind: 'string', help: 'log file' },
  { name: 'log-json-info-buffer-size', kind: 'string', help: 'buffer of log lines' },
  { name: 'log-json-split-stream', kind: 'boolean', help: 'log errors to stderr, the rest to stdout' },
  { name: 'log-text-info-buffer-size', kind: 'string', help: 'as --log-json-info-buffer-size' },
  { name: 'log-text-split-stream', kind: 'boolean', help: 'as --log-json-split-stream' },
  { name: 'boot-id-file', kind: 'string', help: "files with the machine's boot" },
  { name: 'machine-id-file', kind: 'string', help: "files with the machine's name" },
];

export const PROXY_FLAGS: readonly FlagSpec[] = [
  ...COMMAND_FLAGS,
  ...CONFIGURATION_FLAGS,
  ...OWN_FLAGS,
  ...IGNORED_FLAGS,
];

/** Groups for the help text. */
export const FLAG_GROUPS: readonly { readonly title: string; readonly flags: readonly FlagSpec[] }[] = [
  { title: "kube-proxy's flags", flags: COMMAND_FLAGS },
  { title: "kube-proxy's configuration as flags", flags: CONFIGURATION_FLAGS },
  { title: 'Further flags', flags: OWN_FLAGS },
  { title: 'Accepted and ignored', flags: IGNORED_FLAGS },
];
