import { describe, expect, test } from 'vitest';
import { parseArguments } from '../../shared/config/flags.ts';
import { Settings } from '../../shared/config/settings.ts';
import { parseCidr } from '../../shared/ip/cidr.ts';
import { formatIp } from '../../shared/ip/ip.ts';
import { AGENT_FLAGS } from './flags.ts';
import { type AgentOptions, agentOptions, nodeName } from './options.ts';
import { parseSubnets, renderSubnetEnv } from './subnet-env.ts';

function options(
  args: string[],
  environment: Record<string, string> = {},
  file: Record<string, unknown> = {},
): AgentOptions {
  const flags = parseArguments(args, AGENT_FLAGS).values;
  const sources = { flags, environment, environmentPrefix: 'FLANNELD_', file, fileName: 'config.yaml' };
  return agentOptions(new Settings(AGENT_FLAGS, sources), 'n1');
}

describe('options', () => {
  test("defaults are flanneld's, but for masquerading", () => {
    expect(options([])).toMatchObject({
      netConfigPath: '/etc/kube-flannel/net-conf.json',
      subnetFile: '/run/flannel/subnet.env',
      lease: { ttlMs: 86_400_000, renewMarginMs: 3_600_000 },
      rules: { ipMasq: true, fullyRandom: true, forward: true, blackhole: false, resyncMs: 5000 },
      metrics: { address: '127.0.0.1', port: 9320 },
      healthz: { address: '0.0.0.0', port: 0 },
      repair: true,
      datastore: { type: 'embedded', path: '/var/lib/underpod/store.db' },
    });
  });

  test("a kube-flannel manifest's arguments and environment work", () => {
    const merged = options(['--ip-masq', '-iface=eth1', '--kube-subnet-mgr=false'], {
      FLANNELD_IFACE_REGEX: '(?i)^WL[0-9]{1,2}',
      FLANNELD_PUBLIC_IP: '203.0.113.5',
      FLANNELD_IP_MASQ_FULLY_RANDOM_DISABLE: 'true',
    });
    expect(merged.underlay.interfaces).toEqual(['eth1']);
    expect(merged.underlay.patterns).toEqual([/^WL[0-9]{1,2}/i]);
    expect(merged.underlay.publicIp && formatIp(merged.underlay.publicIp)).toBe('203.0.113.5');
    expect(merged.rules.fullyRandom).toBe(false);
  });

  test("flanneld's log flags are taken in all of Go's forms; from level 4 on they mean debug", () => {
    const go = ['-v=4', '-iface', 'eth0', '-ip-masq=false', '-logtostderr', '--alsologtostderr=T'];
    const rest = ['-vmodule=a=5', '-stderrthreshold', 'INFO', '-log_dir=/x', '--log_backtrace_at=a:1'];
    const read = options([...go, ...rest]);
    expect(read.log.level).toBe('debug');
    expect([read.underlay.interfaces, read.rules.ipMasq]).toEqual([['eth0'], false]);
    const given = [
      'alsologtostderr',
      'log_backtrace_at',
      'log_dir',
      'logtostderr',
      'stderrthreshold',
      'vmodule',
    ];
    expect([...read.ignored].sort()).toEqual(given);
    expect(options(['-v', '3'])).toMatchObject({ log: { level: 'info' }, ignored: [] });
    expect(options([], { FLANNELD_V: '10' }).log.level).toBe('debug');
    expect(options(['--v=5', '--log-level=warn']).log.level).toBe('warn');
    expect(() => options(['-v=x'])).toThrow('whole number');
  });

  test.each([
    [[], {}, { type: 'embedded', path: '/var/lib/underpod/store.db' }, /default/],
    [
      ['--kube-subnet-mgr'],
      {},
      { type: 'kubernetes', annotationPrefix: 'flannel.alpha.coreos.com' },
      /--kube-subnet-mgr, from the flag/,
    ],
    [['--kube-subnet-mgr=false'], {}, { type: 'embedded' }, /default/],
    [['--etcd-prefix=/a/'], {}, { type: 'etcd', prefix: '/a' }, /--etcd-prefix, from the flag/],
    [['--etcd-prefix=a//b/'], {}, { type: 'etcd', prefix: 'a/b' }, /--etcd-prefix/],
    [
      ['--etcd-endpoints=etcd-1:2379, 192.0.2.1:2379,[2001:db8::1]:2379'],
      {},
      {
        type: 'etcd',
        endpoints: ['http://etcd-1:2379', 'http://192.0.2.1:2379', 'http://[2001:db8::1]:2379'],
      },
      /--etcd-endpoints/,
    ],
    [
      ['--etcd-endpoints=etcd-1:2379', '--etcd-certfile=c', '--etcd-keyfile=k'],
      {},
      { type: 'etcd', endpoints: ['https://etcd-1:2379'] },
      /--etcd-endpoints/,
    ],
    [
      [],
      { FLANNELD_ETCD_ENDPOINTS: 'https://a:1,https://b:2' },
      { type: 'etcd', endpoints: ['https://a:1', 'https://b:2'] },
      /environment/,
    ],
    [
      ['--kube-subnet-mgr', '--etcd-prefix=/a'],
      {},
      { type: 'kubernetes', setNetworkUnavailable: true },
      /kube-subnet-mgr/,
    ],
    [
      ['--datastore=etcd'],
      {},
      {
        type: 'etcd',
        endpoints: ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'],
        prefix: '/coreos.com/network',
      },
      /--datastore/,
    ],
    [['--datastore=embedded', '--etcd-prefix=/a'], {}, { type: 'embedded' }, /--datastore/],
  ])('%j %j choose the datastore as flanneld would', (args, environment, expected, why) => {
    const { datastore } = options(args, environment);
    expect(datastore).toMatchObject(expected);
    expect(datastore.why).toMatch(why);
  });

  test.each([
    [['--kube-subnet-mgr', '--datastore=etcd'], /contradict each other/],
    [['--etcd-endpoints=unix:///run/etcd.sock'], /must be a URL/],
    [['--etcd-endpoints=etcd one:2379'], /must be a URL/],
    [['--etcd-prefix=/'], /must not be empty/],
    [['--etcd-keyfile=a'], /go together/],
    [['--etcd-username=a'], /go together/],
    [['--datastore=mysql'], /embedded or kubernetes or etcd/],
    [['--public-ip=2001:db8::1'], /must be an IPv4 address/],
    [['--iface-can-reach=nowhere'], /must be an IP address/],
    [['--iface-regex=('], /no regular expression/],
    [['--subnet-lease-renew-margin=1440'], /1 to 1439/],
    [['--lease-ttl=5ms'], /at least 1s/],
    [['--metrics-port=70000'], /0 to 65535/],
  ])('%j is refused', (args, message) => {
    expect(() => options(args)).toThrow(message);
  });

  test('a node is called NODE_NAME, else as its host in lower case', () => {
    expect(nodeName({ NODE_NAME: 'n7' }, 'Host')).toBe('n7');
    expect(nodeName({}, 'Host')).toBe('host');
    expect(() =>
      agentOptions(
        new Settings(AGENT_FLAGS, {
          flags: new Map(),
          environment: {},
          environmentPrefix: 'X_',
          file: {},
          fileName: '',
        }),
        '',
      ),
    ).toThrow(/NODE_NAME/);
  });
});

describe('subnet.env', () => {
  const cidr = (text: string): NonNullable<ReturnType<typeof parseCidr>> => parseCidr(text)!;
  const v4 = { network: cidr('10.244.0.0/16'), subnet: cidr('10.244.3.0/24') };
  const v6 = { networkV6: cidr('fd00:244::/48'), subnetV6: cidr('fd00:244:0:3::/64') };

  test("has flannel's keys in flannel's order", () => {
    expect(renderSubnetEnv({ ...v4, ...v6, mtu: 1430, ipMasq: true })).toBe(
      'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n' +
        'FLANNEL_IPV6_NETWORK=fd00:244::/48\nFLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64\n' +
        'FLANNEL_MTU=1430\nFLANNEL_IPMASQ=true\n',
    );
    expect(renderSubnetEnv({ ...v6, mtu: 1430, ipMasq: false })).not.toContain('FLANNEL_NETWORK');
  });

  test('tells a restarted node its old subnets, whoever wrote it', () => {
    expect(parseSubnets(renderSubnetEnv({ ...v4, ...v6, mtu: 1, ipMasq: true }))).toEqual({
      subnet: v4.subnet,
      subnetV6: v6.subnetV6,
    });
    expect(parseSubnets('')).toEqual({});
    expect(parseSubnets('FLANNEL_SUBNET=x\nFLANNEL_IPV6_SUBNET=10.0.0.1/24\n')).toEqual({});
  });
});
