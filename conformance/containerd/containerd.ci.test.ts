/** containerd calls our plugins: what its CRI makes of them, for Debian 12's version and a current one (runtimes.ts). */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { subnetEnv } from '../../cni/plugins/testing/flannel.ts';
import { list, nothing, TestNode } from '../../cni/plugins/testing/node.ts';
import { executable } from '../build/executable.ts';
import { inUserNamespace, ipJson, run } from '../testing/netns.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { makeImage } from './image.ts';
import { CGROUP, execIn, type Pod, type PodSpec, removePod, runPod, statusOf, stopPod } from './pods.ts';
import { runtimesToTest } from './runtimes.ts';

const runtimes = await runtimesToTest();
const node = runtimes.length > 0 && !inUserNamespace() ? TestNode.enter() : undefined;

const IMAGE = 'docker.io/library/underpod-test:1';
const PAGE = 'served from the pod\n';
const NODE_IP = '192.0.2.1';
const HOST_PORT = 8080;
const SUBNET_ENV = '/run/flannel/subnet.env';
const server = ['/bin/httpd', '-f', '-p', '80', '-h', '/www'];
const idle = ['/bin/sleep', '1000000'];

// Not with its own -T, which busybox-static 1.35 dies of.
const wget = (url: string): string[] => ['timeout', '5', 'busybox', 'wget', '-q', '-O', '-', url];
const fromNode = (url: string): string => run('busybox', ...wget(url));
const fromOutside = (url: string): string => run('ip', 'netns', 'exec', 'outside', ...wget(url));

/** What pods may leave on the node beside what `TestNode.leftovers` looks at. */
function left(pods: readonly Pod[]): Record<string, unknown> {
  const ruleset = run('nft', 'list', 'ruleset');
  const named = pods.flatMap(({ id, containerId, ips }) => [id, containerId, ...ips]);
  return {
    ...node?.leftovers('cbr0'),
    veths: node?.hostVeths().filter((name) => name !== 'uplink'),
    ifbs: ipJson<{ ifname: string }[]>('link', 'show', 'type', 'ifb').map(({ ifname }) => ifname),
    results: list('/var/lib/cni/results').filter((name) => !name.startsWith('cni-loopback-')),
    inRules: named.filter((name) => ruleset.includes(name)),
    cgroups: groups()
      .flatMap(list)
      .filter((name) => named.includes(name)),
  };
}

/** Where runc made groups for the pods: one hierarchy, or one a controller. */
function groups(): string[] {
  return ['.', ...readdirSync('/sys/fs/cgroup')].map((name) => `/sys/fs/cgroup/${name}${CGROUP}`);
}

const nothingLeft = { ...nothing, ifbs: [], results: [], inRules: [], cgroups: [] };

beforeAll(() => {
  if (!node) return;
  run('ip', 'netns', 'add', 'outside');
  run('ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'eth0', 'netns', 'outside');
  run('ip', 'address', 'add', `${NODE_IP}/24`, 'dev', 'uplink');
  run('ip', 'link', 'set', 'uplink', 'up');
  for (const args of [
    'address add 192.0.2.2/24 dev eth0',
    'link set eth0 up',
    `route add default via ${NODE_IP}`,
  ])
    run('ip', '-n', 'outside', ...args.split(' '));
  mkdirSync('/run/flannel', { recursive: true });
  writeFileSync(SUBNET_ENV, subnetEnv(true));
});

afterAll(() => {
  if (!node) return;
  // Control groups go by rmdir, from the inside out.
  for (const directory of groups())
    spawnSync('find', [directory, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+'], { stdio: 'ignore' });
});

describe.skipIf(!node).each(runtimes)('$name', (runtime) => {
  describe.each(['single', 'classic'] as const)('with the %s chain', (chain) => {
    const directory = `/run/test/${runtime.version}-${chain}`;
    const pods: Pod[] = [];
    let daemon: Daemon;
    const start = (name: string, command: string[], more: Partial<PodSpec> = {}): Pod => {
      const pod = runPod(daemon, directory, IMAGE, { name: `${name}-${chain}`, command, ...more });
      pods.push(pod);
      return pod;
    };

    beforeAll(async () => {
      mkdirSync(directory, { recursive: true });
      const [cniBinDir, cniConfDir] = [`${directory}/cni-bin`, `${directory}/net.d`];
      const dirs = [
        `--cni-bin-dir=${cniBinDir}`,
        `--cni-conf-dir=${cniConfDir}`,
        `--bin-dir=${directory}/bin`,
      ];
      run(executable(), 'install', `--chain=${chain}`, ...dirs);
      const image = { archive: makeImage(directory, IMAGE, PAGE), reference: IMAGE };
      daemon = await startDaemon({ runtime, directory, cniBinDir, cniConfDir, image });
    }, 60_000);

    afterAll(async () => {
      await daemon?.[Symbol.asyncDispose]();
      run(`${directory}/bin/underpod`, 'uninstall');
    }, 30_000);

    test('a pod has its address, its loopback, and the bridge as its way out', () => {
      const pod = start('first', server, { ports: [{ container: 80, host: HOST_PORT }] });
      expect(pod.ips[0]).toMatch(/^10\.244\.3\.\d+$/);
      expect(execIn(daemon, pod, 'ip', 'address', 'show', 'eth0')).toContain(`${pod.ips[0]}/24`);
      expect(execIn(daemon, pod, 'ip', 'address', 'show', 'lo')).toContain('127.0.0.1/8');
      expect(execIn(daemon, pod, 'ip', 'route')).toContain('default via 10.244.3.1');
      expect(ipJson('link', 'show', 'master', 'cni0')).toHaveLength(1);
    }, 60_000);

    test('others reach it: the node, a pod, and through the host port whoever may', () => {
      const [pod] = pods;
      const client = start('client', idle);
      expect(fromNode(`http://${pod?.ips[0]}/`)).toBe(PAGE);
      expect(execIn(daemon, client, ...wget(`http://${pod?.ips[0]}/`))).toBe(PAGE);
      const hostPort = `http://${NODE_IP}:${HOST_PORT}/`;
      expect(fromOutside(hostPort)).toBe(PAGE);
      expect(fromNode(hostPort)).toBe(PAGE);
      expect(fromNode(`http://127.0.0.1:${HOST_PORT}/`)).toBe(PAGE);
      for (const inside of pods) expect(execIn(daemon, inside, ...wget(hostPort))).toBe(PAGE);
    }, 60_000);

    test('a pod is held to the limits of its annotations', () => {
      const annotations = {
        'kubernetes.io/ingress-bandwidth': '10M',
        'kubernetes.io/egress-bandwidth': '20M',
      };
      start('limited', idle, { annotations });
      const qdiscs = JSON.parse(run('tc', '-j', 'qdisc', 'show')) as {
        kind: string;
        options: { rate?: number };
      }[];
      const rates = qdiscs.flatMap(({ kind, options }) => (kind === 'tbf' ? [options.rate] : []));
      // In bytes a second.
      expect(rates.sort()).toEqual([1_250_000, 2_500_000]);
    }, 60_000);

    test('pods outlive a restart of containerd', async () => {
      await daemon.restart();
      const [pod] = pods as [Pod];
      expect(statusOf(daemon, pod.id)).toMatchObject({ state: 'SANDBOX_READY', network: { ip: pod.ips[0] } });
      expect(fromOutside(`http://${NODE_IP}:${HOST_PORT}/`)).toBe(PAGE);
    }, 60_000);

    test('a stopped and removed pod leaves nothing, however often', () => {
      for (const pod of pods) {
        stopPod(daemon, pod);
        stopPod(daemon, pod);
        removePod(daemon, pod);
      }
      expect(left(pods)).toEqual(nothingLeft);
      expect(() => fromOutside(`http://${NODE_IP}:${HOST_PORT}/`)).toThrow();
    }, 60_000);

    test('a pod that cannot have a network is refused with the reason, and leaves nothing', () => {
      renameSync(SUBNET_ENV, `${SUBNET_ENV}.aside`);
      try {
        expect(() => start('refused', idle)).toThrow(/subnet\.env/);
      } finally {
        renameSync(`${SUBNET_ENV}.aside`, SUBNET_ENV);
      }
      expect(left(pods)).toEqual(nothingLeft);
      const pod = start('again', idle);
      removePod(daemon, pod);
      expect(left(pods)).toEqual(nothingLeft);
    }, 60_000);
  });
});
