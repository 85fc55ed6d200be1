/** Valid CNI inputs, the material that mutations start from. */

const dns = {
  nameservers: ['10.1.0.1', 'fd00::1'],
  domain: 'local',
  search: ['a.local'],
  options: ['ndots:5'],
};
const routes = [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }, { dst: '::/0' }];
const lists = {
  interfaces: [
    { name: 'cni0', mac: '00:11:22:33:44:55' },
    { name: 'eth0', mac: '99:88:77:66:55:44', sandbox: '/run/netns/blue' },
  ],
  routes,
  dns,
};
const families = {
  ip4: { ip: '10.1.0.5/16', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }] },
  ip6: { ip: 'fd00::5/64', gateway: 'fd00::1', routes: [{ dst: '::/0' }] },
  dns,
};
const ips = [
  { address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 1 },
  { address: 'fd00::5/64', gateway: 'fd00::1', interface: 1 },
];
const oldIps = ips.map((ip) => ({ version: ip.address.includes(':') ? '6' : '4', ...ip }));

/** A result of each version. */
export const results: readonly Record<string, unknown>[] = [
  { cniVersion: '0.1.0', ...families },
  { cniVersion: '0.2.0', ...families },
  { cniVersion: '0.3.0', ...lists, ips: oldIps },
  { cniVersion: '0.3.1', ...lists, ips: oldIps },
  { cniVersion: '0.4.0', ...lists, ips: oldIps },
  { cniVersion: '1.0.0', ...lists, ips },
  {
    cniVersion: '1.1.0',
    interfaces: [
      { name: 'eth0', mtu: 1450, sandbox: '/run/netns/blue', socketPath: '/s', pciID: '0000:00:1f.6' },
    ],
    ips,
    routes: [{ dst: '10.0.0.0/8', mtu: 1400, advmss: 1360, priority: 10, table: 100, scope: 253 }, ...routes],
    dns,
  },
];

/** Plugin configurations as runtimes send them. */
export const configs: readonly Record<string, unknown>[] = [
  {
    cniVersion: '1.1.0',
    name: 'cbr0',
    type: 'underpod',
    capabilities: { portMappings: true, bandwidth: true },
    runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
    firewall: { backend: 'nftables', ingressPolicy: 'isolated' },
    tuning: { sysctl: { 'net.core.somaxconn': '500' }, mtu: 1400 },
  },
  {
    cniVersion: '1.0.0',
    name: 'mynet',
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    ipMasq: true,
    ipam: { type: 'host-local', ranges: [[{ subnet: '10.22.0.0/16' }]], routes: [{ dst: '0.0.0.0/0' }] },
    args: { cni: { ips: ['10.22.0.9'] } },
    dns,
  },
  {
    cniVersion: '1.1.0',
    name: 'gc',
    type: 'bridge',
    'cni.dev/valid-attachments': [
      { containerID: 'c0ffee', ifname: 'eth0' },
      { containerID: 'decaf', ifname: 'net1' },
    ],
    'cni.dev/attachments': [
      { containerID: 'c0ffee', ifname: 'eth0' },
      { containerID: 'decaf', ifname: 'net1' },
    ],
  },
  ...results.map((prevResult) => ({
    cniVersion: prevResult['cniVersion'],
    name: 'chain',
    type: 'portmap',
    prevResult,
  })),
];

/** Network configuration files. */
export const conflists: readonly Record<string, unknown>[] = [
  {
    name: 'cbr0',
    cniVersion: '1.0.0',
    plugins: [
      { type: 'flannel', delegate: { hairpinMode: true, forceAddress: true, isDefaultGateway: true } },
      { type: 'portmap', capabilities: { portMappings: true } },
      { type: 'bandwidth', capabilities: { bandwidth: true } },
    ],
  },
  {
    name: 'dbnet',
    cniVersion: '1.1.0',
    cniVersions: ['0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    disableCheck: 'false',
    disableGC: true,
    loadOnlyInlinedPlugins: false,
    plugins: [{ type: 'bridge', ipam: { type: 'host-local' } }],
  },
];

/** Environments of every operation. */
export const environments: readonly Record<string, string>[] = [
  'ADD',
  'DEL',
  'CHECK',
  'GC',
  'STATUS',
  'VERSION',
].map((command) => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: 'f81d4fae7dec11d0a76500a0c91e6bf6',
  CNI_NETNS: '/run/netns/cni-5d7b',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin:/usr/lib/cni',
  CNI_ARGS:
    'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=f81d;K8S_POD_UID=42',
}));
