import { describe, expect, test } from 'vitest';
import { parseArguments } from '../../../shared/config/flags.ts';
import { Settings } from '../../../shared/config/settings.ts';
import { UsageError } from '../../../shared/config/usage-error.ts';
import { formatCidr, parseCidr } from '../../../shared/ip/cidr.ts';
import { toVersioned, unfollowedKeys, withDefaults } from './configuration.ts';
import { decodeConfiguration } from './decode.ts';
import { PROXY_FLAGS } from './flags.ts';
import { formatGoDuration, parseGoDuration } from './go-duration.ts';
import { normalized } from './load.ts';
import { localDetectorOf, nodePortAddressesOf, type ProxyOptions, proxyOptions } from './options.ts';

/** What kubeadm 1.36 leaves in the ConfigMap kube-system/kube-proxy. */
const KUBEADM = `
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`;

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';

const settings = (...args: string[]): Settings =>
  new Settings(PROXY_FLAGS, {
    flags: parseArguments(normalized(args), PROXY_FLAGS).values,
    environment: {},
    environmentPrefix: '',
    file: {},
    fileName: 'config.yaml',
  });

/** @param text of the file that --config names */
function options(args: string[], text?: string, environment: Record<string, string> = {}): ProxyOptions {
  const made = settings(...args);
  if (text === undefined) return proxyOptions(made, undefined, environment, 'Host');
  const { given, unknownKeys } = decodeConfiguration(text, 'config.conf', made.boolean('strict-config'));
  return proxyOptions(made, { configuration: withDefaults(given), unknownKeys }, environment, 'Host');
}

describe("kubeadm's file", () => {
  test('means all defaults', () => {
    const made = options(['--config=/var/lib/kube-proxy/config.conf', '--hostname-override=Node-1'], KUBEADM);
    expect(made).toMatchObject({
      node: 'node-1',
      mode: 'nftables',
      isModeDefault: true,
      datastore: { type: 'kubernetes', kubeconfig: '/var/lib/kube-proxy/kubeconfig.conf' },
      healthz: { address: '0.0.0.0', port: 10256 },
      metrics: { address: '127.0.0.1', port: 10249 },
      syncPeriod: 30_000,
      minSyncPeriod: 0,
      masqueradeBit: 14,
      masqueradeAll: false,
      unknownKeys: [],
    });
    expect(made.configuration).toMatchObject({
      oomScoreAdj: -999,
      conntrack: {
        maxPerCore: 32768,
        min: 131072,
        tcpEstablishedTimeout: 86_400_000,
        tcpCloseWaitTimeout: 3_600_000,
      },
    });
    expect(nodePortAddressesOf(made, 4, parseCidr('192.0.2.1/32'))).toBe('all');
    expect(localDetectorOf(made.configuration, 4, [])).toMatchObject({ by: 'source' });
    expect(localDetectorOf(made.configuration, 6, [])).toEqual({ by: 'nothing' });
  });

  test('wins over flags, except for the node and the log', () => {
    const text = `${head}mode: ipvs\nhostnameOverride: from-file\nlogging: {verbosity: 2}\n`;
    const made = options(
      ['--config=x', '--proxy-mode=iptables', '--hostname-override=from-flag', '--v=4'],
      text,
    );
    expect(made).toMatchObject({
      node: 'from-flag',
      mode: 'ipvs',
      log: { level: 'debug' },
      replacedFlags: ['proxy-mode'],
    });
    expect(options(['--config=x'], text, { NODE_NAME: 'n' }).node).toBe('from-file');
    expect(options([], undefined, { NODE_NAME: 'n' }).node).toBe('n');
    expect(options([]).node).toBe('host');
  });
});

describe('leniency', () => {
  const text = `${head}mode: nftables\nnftabels: {}\niptables:\n  masqueradBit: 3\n`;
  test('is read as Go reads YAML: its first document, and the words of YAML 1.1', () => {
    const text = `${head}iptables: {masqueradeAll: yes, localhostNodePorts: Off}\nmode: iptables\n`;
    for (const whole of [text, `---\n${text}`, `${text}---\n`, `# mine\n---\n${text}---\nmode: ipvs\n`]) {
      const { mode, configuration } = options(['--config=x'], whole);
      expect([mode, configuration.iptables.masqueradeAll, configuration.iptables.localhostNodePorts]).toEqual(
        ['iptables', true, false],
      );
    }
    expect(() => options(['--config=x'], `${head}iptables: {masqueradeAll: "true"}`)).toThrow(
      'iptables.masqueradeAll must be true or false',
    );
    expect(() => options(['--config=x'], '- a\n- b\n')).toThrow('must be a KubeProxyConfiguration');
  });

  test('unknown keys are named, by their path', () => {
    expect(options(['--config=x'], text).unknownKeys).toEqual(['nftabels', 'iptables.masqueradBit']);
    expect(() => options(['--config=x', '--strict-config'], text)).toThrow(
      /unknown keys nftabels, iptables\.masqueradBit/,
    );
  });

  test.each<[string, RegExp]>([
    ['a: [', /neither YAML nor JSON/],
    ['[]', /must be a KubeProxyConfiguration/],
    ['', /must be a KubeProxyConfiguration/],
    ['kind: KubeProxyConfiguration\napiVersion: v1', /write "apiVersion: kubeproxy.config.k8s.io\/v1alpha1"/],
    ['kind: Pod', /kind is "Pod"; write "kind: KubeProxyConfiguration"/],
    [`${head}iptables: {masqueradeBit: "14"}`, /iptables\.masqueradeBit must be a whole number/],
    [`${head}iptables: {masqueradeBit: 32}`, /iptables\.masqueradeBit is 32; write 0 to 31/],
    [`${head}ipvs: 3`, /ipvs must hold keys of its own/],
    [`${head}nftables: {syncPeriod: 30}`, /nftables\.syncPeriod must be a duration such as "30s"/],
    [`${head}nftables: {syncPeriod: thirty}`, /nftables\.syncPeriod .*not "thirty"/],
    [`${head}nftables: {syncPeriod: 1s, minSyncPeriod: 2s}`, /minSyncPeriod is longer/],
    [`${head}mode: userspace`, /mode is "userspace"; write nftables, iptables or ipvs/],
    [`${head}clusterCIDR: 10.0.0.0/8,10.1.0.0/16`, /one of each family/],
    [`${head}nodePortAddresses: [192.0.2.1]`, /nodePortAddresses has "192.0.2.1"; write networks/],
    [`${head}detectLocalMode: BridgeInterface`, /name the pods' bridge/],
    [`${head}healthzBindAddress: localhost:1`, /healthzBindAddress is "localhost:1"; write IP:port/],
    [`${head}mode: ipvs\nipvs: {scheduler: best}`, /ipvs\.scheduler is "best"/],
    [`${head}oomScoreAdj: 1001`, /oomScoreAdj is 1001/],
    [`${head}conntrack: {min: -1}`, /conntrack\.min is -1/],
  ])('%j', (wrong, message) => {
    expect(() => options(['--config=x'], wrong)).toThrow(message);
    expect(() => options(['--config=x'], wrong)).toThrow(UsageError);
  });

  test('every wrong value is told at once', () => {
    expect(() => options(['--config=x'], `${head}mode: 3\niptables: {syncPeriod: 1}`)).toThrow(
      /mode must be text; iptables\.syncPeriod must be/,
    );
  });
});

describe('flags', () => {
  test("k3s' flags", () => {
    const made = options([
      '--cluster-cidr=10.42.0.0/16',
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-close-wait=0s',
      '--conntrack-tcp-timeout-established=0s',
      '--healthz-bind-address=127.0.0.1',
      '--hostname-override=k3s-1',
      '--kubeconfig=/var/lib/rancher/k3s/agent/kubeproxy.kubeconfig',
      '--proxy-mode=iptables',
    ]);
    expect(made).toMatchObject({
      node: 'k3s-1',
      mode: 'iptables',
      healthz: { address: '127.0.0.1', port: 10256 },
      datastore: { type: 'kubernetes' },
      configuration: { conntrack: { maxPerCore: 0, tcpEstablishedTimeout: 0, tcpCloseWaitTimeout: 0 } },
    });
  });

  test('0 and nothing switch servers off; underscores are dashes', () => {
    const made = options(['--healthz_port=0', '--metrics-bind-address=']);
    expect([made.healthz, made.metrics]).toEqual([undefined, undefined]);
    expect(options(['--healthz-port', '99']).healthz).toEqual({ address: '0.0.0.0', port: 10256 });
    expect(options(['--healthz-bind-address=192.0.2.1', '--healthz-port', '99']).healthz).toEqual({
      address: '192.0.2.1',
      port: 99,
    });
    expect(options(['--bind-address=::', '--healthz-bind-address=[::]:1']).healthz).toEqual({
      address: '::',
      port: 1,
    });
  });

  test('wrong values name the setting', () => {
    expect(() => options(['--cluster-cidr=10.0.0.0'])).toThrow(/clusterCIDR is "10.0.0.0"/);
    expect(() => options(['--oom-score-adj=2000'])).toThrow(/oomScoreAdj is 2000/);
  });

  test.each<[string[], string]>([
    [[], 'embedded'],
    [['--master=https://192.0.2.1:6443'], 'kubernetes'],
    [['--kubeconfig=x', '--datastore=embedded'], 'embedded'],
  ])('datastore of %j is %s', (args, type) => {
    expect(options(args).datastore.type).toBe(type);
    const inPod = options(args, undefined, { KUBERNETES_SERVICE_HOST: '10.96.0.1' });
    expect(inPod.datastore.type).toBe(args.includes('--datastore=embedded') ? 'embedded' : 'kubernetes');
  });
});

test("every flag of kube-proxy's is taken, with its short form", () => {
  const made = options([
    '--boot-id-file=/proc/sys/kernel/random/boot_id',
    '--machine-id-file=/etc/machine-id',
    '--log-json-info-buffer-size=0',
    '--log-json-split-stream',
    '--log-text-info-buffer-size=0',
    '--log-text-split-stream=false',
    '-v4',
  ]);
  expect(made.log.level).toBe('debug');
  expect(made.ignoredFlags).toHaveLength(6);
});

describe('the section that counts', () => {
  const counts = (text: string): unknown[] => {
    const { mode, masqueradeBit, masqueradeAll, syncPeriod } = options(['--config=x'], head + text);
    return [mode, masqueradeBit, masqueradeAll, syncPeriod];
  };
  const iptables = 'iptables: {masqueradeAll: true, masqueradeBit: 3, syncPeriod: 10s}\n';
  test.each<[string, unknown[]]>([
    [iptables, ['nftables', 3, true, 10_000]],
    [`${iptables}nftables: {masqueradeBit: 5}\n`, ['nftables', 5, true, 10_000]],
    [`mode: nftables\n${iptables}`, ['nftables', 14, false, 30_000]],
    [`mode: iptables\n${iptables}`, ['iptables', 3, true, 10_000]],
    [`mode: ipvs\n${iptables}`, ['ipvs', 3, true, 30_000]],
  ])('%j', (text, expected) => {
    expect(counts(text)).toEqual(expected);
  });

  test('is so with flags', () => {
    const { masqueradeBit, masqueradeAll } = options(['--iptables-masquerade-bit=3', '--masquerade-all']);
    expect([masqueradeBit, masqueradeAll]).toEqual([3, true]);
  });

  test('is the one that is checked', () => {
    const wrong = 'iptables: {syncPeriod: 500ms}\n';
    expect(counts(`mode: nftables\n${wrong}`)).toEqual(['nftables', 14, false, 30_000]);
    expect(counts(`mode: ipvs\n${wrong}`)).toEqual(['ipvs', 14, false, 30_000]);
    expect(() => counts(`mode: iptables\n${wrong}`)).toThrow('minSyncPeriod is longer');
    expect(() => counts(wrong)).toThrow('minSyncPeriod is longer');
    expect(() => counts(`mode: ipvs\niptables: {masqueradeBit: 40}\n`)).toThrow('masqueradeBit is 40');
  });
});

test('minSyncPeriod binds where it is written and not the default', () => {
  const period = (text: string): number => options(['--config=x'], `${head}${text}`).minSyncPeriod;
  expect([
    period(''),
    period('nftables: {minSyncPeriod: 0s}'),
    period('nftables: {minSyncPeriod: 1s}'),
    period('nftables: {minSyncPeriod: 5s}'),
    period('mode: iptables\niptables: {minSyncPeriod: 7s}'),
  ]).toEqual([0, 0, 0, 5000, 7000]);
});

describe('where node ports are served', () => {
  const at = (family: 4 | 6, text: string): string => {
    const made = options(['--config=x'], `${head}${text}`);
    const primary = parseCidr(family === 4 ? '192.0.2.1/32' : '2001:db8::1/128');
    const networks = nodePortAddressesOf(made, family, primary);
    return networks === 'all' ? networks : networks.map(formatCidr).join(' ');
  };
  test.each<[string, string, string]>([
    ['mode: ""', 'all', 'all'],
    ['mode: nftables', '192.0.2.1/32', '2001:db8::1/128'],
    ['mode: iptables', 'all', 'all'],
    ['nodePortAddresses: [10.0.0.9/8]', '10.0.0.0/8', 'all'],
    ['nodePortAddresses: [10.0.0.0/8, "fd00::/64"]', '10.0.0.0/8', 'fd00::/64'],
    ['nodePortAddresses: [primary]', '192.0.2.1/32', '2001:db8::1/128'],
    ['nodePortAddresses: [0.0.0.0/0, "::/0"]', 'all', 'all'],
    ['mode: nftables\nnodePortAddresses: [all]', 'all', 'all'],
  ])('%s', (text, v4, v6) => {
    expect([at(4, text), at(6, text)]).toEqual([v4, v6]);
  });
});

test.each<[string, object, object]>([
  ['clusterCIDR: "10.0.0.0/8, fd00::/48"', { by: 'source' }, { by: 'source' }],
  ['detectLocalMode: NodeCIDR', { by: 'source' }, { by: 'nothing' }],
  [
    'detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cni0}',
    { by: 'bridge', name: 'cni0' },
    { by: 'bridge', name: 'cni0' },
  ],
  [
    'detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}',
    { by: 'interface-prefix', prefix: 'veth' },
    { by: 'interface-prefix', prefix: 'veth' },
  ],
])('%s detects', (text, v4, v6) => {
  const { configuration } = options(['--config=x'], `${head}${text}`);
  const podCidr = parseCidr('10.244.1.0/24');
  const podCidrs = podCidr ? [podCidr] : [];
  expect(localDetectorOf(configuration, 4, podCidrs)).toMatchObject(v4);
  expect(localDetectorOf(configuration, 6, podCidrs)).toMatchObject(v6);
});

test('what is asked for and not done is told; a key that most releases do not know is written only then', () => {
  const given = (text: string) => withDefaults(decodeConfiguration(head + text, 'x', true).given);
  expect(unfollowedKeys(given(''))).toEqual([]);
  expect(JSON.stringify(toVersioned(given('')))).not.toContain('snatNodeInternalIP');
  const asked = given('bindAddressHardFail: true\niptables: {snatNodeInternalIP: true}\n');
  expect(unfollowedKeys(asked)).toEqual(['iptables.snatNodeInternalIP', 'bindAddressHardFail']);
  expect(toVersioned(asked)).toMatchObject({ iptables: { snatNodeInternalIP: true, syncPeriod: '30s' } });
});

test('what is written is read again as it was', () => {
  const { given } = decodeConfiguration(KUBEADM, 'x', true);
  const configuration = withDefaults(given);
  const text = Bun.YAML.stringify(toVersioned(configuration), null, 2);
  expect(text).toContain('tcpEstablishedTimeout: 24h0m0s');
  expect(withDefaults(decodeConfiguration(text, 'y', true).given)).toEqual(configuration);
});

test.each<[string, number | undefined, string]>([
  ['1h30m', 5_400_000, '1h30m0s'],
  ['15m', 900_000, '15m0s'],
  ['90s', 90_000, '1m30s'],
  ['250ms', 250, '250ms'],
  ['1.5s', 1500, '1.5s'],
  ['-2s', -2000, '-2s'],
  ['0', 0, '0s'],
  ['100us', 0.1, '100µs'],
  ['5', undefined, ''],
  ['', undefined, ''],
  ['s', undefined, ''],
])('duration %s', (text, ms, written) => {
  expect(parseGoDuration(text)).toBe(ms);
  if (ms !== undefined) expect(formatGoDuration(ms)).toBe(written);
});
