import { readLimits } from '../../../cni/plugins/bandwidth/config.ts';
import { tokenBucket } from '../../../cni/plugins/bandwidth/token-bucket.ts';
import { readBridgeConfig } from '../../../cni/plugins/bridge/config.ts';
import { readFirewallConfig, wantedOf } from '../../../cni/plugins/firewall/config.ts';
import { planIptablesAdd } from '../../../cni/plugins/firewall/iptables-rules.ts';
import { readFlannelConfig, renderDelegate } from '../../../cni/plugins/flannel/config.ts';
import { parseSubnetEnv } from '../../../cni/plugins/flannel/subnet-env.ts';
import { readHostLocalConfig } from '../../../cni/plugins/host-local/config.ts';
import { bridgeKeys } from '../../../cni/plugins/underpod/config.ts';
import { refuseUnsupported } from '../../../cni/plugins/underpod/refuse.ts';
import type { CniArgs } from '../../../cni/protocol/args.ts';
import { parseArgs } from '../../../cni/protocol/args.ts';
import { isCniError } from '../../../cni/protocol/error.ts';
import type { NetConf } from '../../../cni/protocol/net-conf.ts';
import { netConfFromObject, parseNetConf } from '../../../cni/protocol/net-conf.ts';
import { contains } from '../../../shared/ip/cidr.ts';
import { compareIp } from '../../../shared/ip/ip.ts';
import { describeBytes, jsonBytes, jsonInput } from '../json-input.ts';
import { mutateText } from '../mutate-text.ts';
import { must, type Target, target } from '../target.ts';

const common = { cniVersion: '1.1.0', name: 'cbr0' };
const ipam = {
  type: 'host-local',
  dataDir: '/var/lib/cni/networks',
  ranges: [
    [{ subnet: '10.22.0.0/16', rangeStart: '10.22.1.0', rangeEnd: '10.22.9.9', gateway: '10.22.0.1' }],
    [{ subnet: 'fd00::/64' }],
  ],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0', gw: 'fd00::1' }],
};

/** The keys that each type documents. */
const seeds: readonly Record<string, unknown>[] = [
  {
    ...common,
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    isDefaultGateway: true,
    forceAddress: false,
    ipMasq: true,
    ipMasqBackend: 'nftables',
    mtu: 1450,
    hairpinMode: true,
    promiscMode: false,
    vlan: 0,
    vlanTrunk: [],
    preserveDefaultVlan: false,
    enabledad: false,
    portIsolation: true,
    macspoofchk: false,
    runtimeConfig: { mac: '02:11:22:33:44:55' },
    args: { cni: { mac: '02:11:22:33:44:66' } },
    dns: { nameservers: ['10.1.0.1'] },
    ipam,
  },
  {
    ...common,
    type: 'host-local',
    ipam,
    runtimeConfig: { ips: ['10.22.2.2'], ipRanges: [[{ subnet: '10.9.0.0/24' }]] },
  },
  {
    ...common,
    type: 'host-local',
    ipam: { type: 'host-local', subnet: '10.1.0.0/24', resolvConf: '/etc/resolv.conf' },
  },
  {
    ...common,
    type: 'flannel',
    subnetFile: '/run/flannel/subnet.env',
    dataDir: '/var/lib/cni/flannel',
    delegate: { type: 'bridge', hairpinMode: true, forceAddress: true, isDefaultGateway: true },
    ipam: { routes: [{ dst: '10.96.0.0/12' }] },
  },
  {
    ...common,
    type: 'bandwidth',
    ingressRate: 8_000_000,
    ingressBurst: 80_000,
    egressRate: 1_000,
    egressBurst: 0xffff_ffff,
  },
  {
    ...common,
    type: 'bandwidth',
    runtimeConfig: { bandwidth: { ingressRate: 8_000_000, ingressBurst: 80_000 } },
  },
  {
    ...common,
    type: 'firewall',
    backend: 'iptables',
    iptablesAdminChainName: 'MINE',
    firewalldZone: 'trusted',
    ingressPolicy: 'isolated',
    prevResult: {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'cni0' }, { name: 'eth0', sandbox: '/run/netns/a' }],
      ips: [
        { address: '10.22.0.5/16', interface: 1 },
        { address: 'fd00::5/64', interface: 1 },
      ],
    },
  },
  {
    ...common,
    type: 'underpod',
    hairpinMode: true,
    runtimeConfig: { portMappings: [{ hostPort: 0, containerPort: 80 }] },
  },
];

const subnet = parseSubnetEnv(
  'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  'subnet.env',
);

/** What each type reads of its configuration before it does anything. */
const readers: Readonly<Record<string, (conf: NetConf, args: CniArgs) => void>> = {
  bandwidth: readBandwidth,
  firewall: readFirewall,
  bridge: readBridge,
  'host-local': readHostLocal,
  flannel: (conf, args) =>
    readBridge(netConfFromObject(renderDelegate(conf, readFlannelConfig(conf), subnet)), args),
  underpod: (conf, args) => {
    refuseUnsupported(conf);
    readBridge(netConfFromObject({ ...bridgeKeys(conf), type: 'bridge', ipam }), args);
  },
};

/** CNI_ARGS that every type takes. */
const cniArgs = ['', 'IgnoreUnknown=1;X=y', 'MAC=02:00:00:00:00:01', 'IP=10.22.2.3'];

/** Mutated configurations of our own types. */
export const pluginConfig: Target = target<{ args: string; bytes: Uint8Array }>({
  name: 'plugin-config',
  generate: (random) => ({
    args: random.below(16) === 0 ? mutateText(random.pick(cniArgs), random) : random.pick(cniArgs),
    bytes: jsonInput(seeds, random),
  }),
  seeds: seeds.flatMap((seed) => cniArgs.map((args) => ({ args, bytes: jsonBytes(seed) }))),
  changed: ({ bytes }) => bytes.toHex(),
  judge: ({ args, bytes }) => {
    try {
      const conf = parseNetConf(bytes);
      const read = Object.hasOwn(readers, conf.type) ? readers[conf.type] : undefined;
      if (read === undefined) return 'refused';
      read(conf, parseArgs(args));
      return 'accepted';
    } catch (error) {
      if (!isCniError(error, 1, 2, 4, 6, 7)) throw error;
      must(error.message !== '' && error.message.length < 2000, 'a message that can be read');
      return 'refused';
    }
  },
  describe: ({ args, bytes }) => `CNI_ARGS=${args} ${describeBytes(bytes)}`,
});

function readBridge(conf: NetConf, args: CniArgs): void {
  const config = readBridgeConfig(conf, args);
  must(/^[^/:\s\0]{1,15}$/u.test(config.bridge), 'the bridge has a name that the kernel takes');
  must(Number.isSafeInteger(config.mtu) && config.mtu >= 0, 'the MTU is a uint');
  must(config.mac === undefined || config.mac.length === 6, 'a MAC has six bytes');
  if (config.ipamType === 'host-local') readHostLocal(conf, args);
}

function readHostLocal(conf: NetConf, args: CniArgs): void {
  const config = readHostLocalConfig(conf, args);
  must(config.rangeSets.length > 0, 'there is a range');
  for (const { subnet: net, start, end, gateway } of config.rangeSets.flat()) {
    must(
      contains(net, start) && contains(net, end) && compareIp(start, end) <= 0,
      'a range lies in its subnet',
    );
    must(gateway.family === net.ip.family, 'the gateway is of the same family');
  }
}

function readBandwidth(conf: NetConf): void {
  const { ingress, egress } = readLimits(conf) ?? {};
  for (const limit of [ingress, egress]) {
    if (!limit) continue;
    const { rate, limit: waiting, buffer } = tokenBucket(limit, 'x64');
    for (const number of [rate.rate, waiting, buffer])
      must(Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff, 'the kernel takes the number');
  }
}

function readFirewall(conf: NetConf): void {
  const config = readFirewallConfig(conf);
  if (!conf.prevResult) return;
  for (const line of planIptablesAdd(new Map(), wantedOf(config, conf.prevResult)))
    must(/^-[NIA] [!-~]+( [ -~]+)?$/.test(line), 'a rule is one line of printable text');
}
