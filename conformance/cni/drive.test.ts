import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { pluginTypes } from '../../cni/plugins/registry.ts';
import { deleteNetns } from '../../shared/sys/netns.ts';
import { linkTypes } from '../bench/cni.ts';
import { executable } from '../build/executable.ts';
import { behindBridge, type Case } from '../matrix/case.ts';
import { type CaseNetwork, goodCase, networkOf } from '../matrix/cases.ts';
import { slowness } from '../testing/slowness.ts';
import { cnitool } from './cnitool.ts';
import { canWork, isWanted } from './features.ts';
import { FreshNode, type Json } from './fresh-node.ts';
import { usualOffers } from './network.ts';
import { enterWorld } from './world.ts';

/** libcni drives the compiled executable, as every type and as long chains: what container runtimes do. */

const tool = cnitool();
const program = executable();
const world = tool === undefined ? undefined : enterWorld();
afterAll(() => world?.[Symbol.dispose]());
const directory = '/run/bin';
if (world) linkTypes(program, directory);
const configurations = '/run/net.d';

/** Types whose good case needs more than this node: dhcp a server; underpod has none in the matrix. */
const driven = pluginTypes.filter((type) => goodCase(type) !== undefined && isWanted(type));

const underpod: Case = {
  name: 'as it is installed',
  files: {
    '/run/flannel/subnet.env':
      'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  },
  config: {
    hairpinMode: true,
    isDefaultGateway: true,
    runtimeConfig: { portMappings: usualOffers['portMappings'] },
  },
};

/** Chains that people run, as far as their types are there. */
const chains: readonly (readonly Json[])[] = [
  [
    behindBridge,
    { type: 'portmap', backend: 'nftables', capabilities: { portMappings: true } },
    { type: 'bandwidth', capabilities: { bandwidth: true } },
    { type: 'firewall', backend: 'iptables' },
    { type: 'tuning', sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' }, capabilities: { mac: true } },
  ],
  [
    { ...behindBridge, type: 'ptp' },
    { type: 'portmap', capabilities: { portMappings: true } },
    { type: 'sbr' },
  ],
];

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs libcni's tool, or ours with the same arguments, variables and cache. */
function start(
  runtime: readonly string[],
  node: FreshNode,
  command: string,
  offers: Json,
  args?: string,
): Ended {
  const child = spawnSync('nsenter', [`--net=${node.host}`, ...runtime, command, 'net', node.pod], {
    env: {
      PATH: process.env['PATH'],
      NETCONFPATH: configurations,
      CNI_PATH: directory,
      CNI_IFNAME: 'eth0',
      CAP_ARGS: JSON.stringify(offers),
      ...(args && { CNI_ARGS: args }),
    },
    encoding: 'utf8',
  });
  return { code: child.status, stdout: child.stdout, stderr: child.stderr };
}

function succeed({ code, stdout, stderr }: Ended, what: string): string {
  expect(code, `${what}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

function podLinks(node: FreshNode): string[] {
  return node.ip<{ ifname: string }[]>('pod', 'link').map(({ ifname }) => ifname);
}

/** Interfaces, files and rules that name the attachment. */
function leftovers(node: FreshNode): string[] {
  const links = node.ip<{ ifname: string }[]>('host', 'link').map(({ ifname }) => ifname);
  const own = /^\/var\/lib\/cni\/networks\/net\/(lock|last_reserved_ip\.\d+)$/;
  return [
    ...links.filter((name) => /^(veth|bwp)/.test(name)),
    ...Object.keys(node.files()).filter((path) => path !== '/run/flannel/subnet.env' && !own.test(path)),
    ...node
      .run('nft', 'list', 'ruleset')
      .split('\n')
      .filter((line) => /cnitool-|10\.80\.0\.2\b|fd00:80::2\b/.test(line)),
  ];
}

/** The whole life of an attachment, each time with another end. */
function drive({ conflist, offers }: CaseNetwork, one: Pick<Case, 'setup' | 'files' | 'args'>): void {
  for (const end of ['del', 'gc', 'gc of ours'] as const) {
    using node = new FreshNode(one.setup);
    const files = { ...one.files, [`${configurations}/10-net.conflist`]: JSON.stringify(conflist) };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
    const run = (command: string): Ended => start([tool ?? ''], node, command, offers, one.args);
    succeed(run('status'), 'status');
    const result = JSON.parse(succeed(run('add'), 'add')) as { cniVersion: string };
    expect(result.cniVersion).toBe(conflist['cniVersion']);
    succeed(run('check'), 'check');
    if (end === 'del') {
      succeed(run('del'), 'del');
      // Again, as runtimes do when in doubt.
      succeed(run('del'), 'second del');
      expect(podLinks(node)).not.toContain('eth0');
    } else if (end === 'gc') {
      // cnitool calls DEL for every attachment of the network, then GC without the list of valid attachments: our
      // types then remove nothing, and say so. Below 1.1.0 there is no GC.
      const ended = run('gc');
      succeed(ended, 'gc');
      const said = ended.stderr.match(/nothing was removed/g) ?? [];
      const plugins = conflist['plugins'] as readonly unknown[];
      expect(said).toHaveLength(conflist['cniVersion'] === '1.1.0' ? plugins.length : 0);
    } else {
      // Ours knows by its cache, which is libcni's, what there was, and by the namespace what there is.
      deleteNetns(node.pod);
      succeed(start([program, 'cni'], node, 'gc', offers, one.args), 'gc of ours');
    }
    const given = Object.keys(one.files ?? {});
    expect(
      leftovers(node).filter((what) => !given.includes(what)),
      `after ${end}`,
    ).toEqual([]);
  }
}

describe.skipIf(!world)('cnitool drives', () => {
  for (const type of driven) {
    const one = goodCase(type) as Case;
    test.skipIf(world && !canWork(type))(
      `${type}: ${one.name}`,
      () => drive(networkOf(type, one, '1.1.0'), one),
      30_000 * slowness,
    );
  }

  test.runIf(isWanted('underpod'))('underpod, as it is installed', () =>
    drive(networkOf('underpod', underpod, '1.1.0'), underpod),
  );

  for (const plugins of chains) {
    const types = plugins.map(({ type }) => String(type)).filter((type) => pluginTypes.includes(type));
    const there = plugins.filter(({ type }) => types.includes(String(type)));
    if (!isWanted(...types)) continue;
    test.skipIf(!types.includes(String(plugins[0]?.['type'])))(
      types.join(' → '),
      () =>
        drive(
          { conflist: { cniVersion: '1.1.0', name: 'net', plugins: there }, offers: { ...usualOffers } },
          {},
        ),
      30_000 * slowness,
    );
  }
});
