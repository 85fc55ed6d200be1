/**
 * From a real kube-proxy to ours and back, under a thousand new connections a second: its rules go once ours are in, and no
 * connection fails. In mode ipvs in the VM (`conformance/vm`), at a rate that an emulated processor reaches.
 */

import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ControlPlane, controlPlaneMissing } from '../../conformance/kubernetes/control-plane.ts';
import { ipsetEnvironment } from '../../conformance/kubernetes/ipset.ts';
import { kubernetesProgram } from '../../conformance/kubernetes/programs.ts';
import { TrafficClient } from '../../conformance/proxy/traffic/client.ts';
import { inNetns } from '../../conformance/proxy/traffic/lines.ts';
import { summary } from '../../conformance/proxy/traffic/report.ts';
import { TrafficServers } from '../../conformance/proxy/traffic/servers.ts';
import { TestDaemon } from '../../conformance/testing/daemon.ts';
import { kernelHas } from '../../conformance/testing/kernel-features.ts';
import { freshNetns, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { isVm, slowness } from '../../conformance/testing/slowness.ts';
import { silentLogger } from '../../shared/log/logger.ts';
import { IpSets } from '../../shared/netlink/ipset.ts';
import { Ipvs } from '../../shared/netlink/ipvs.ts';
import { removeKubeProxyRules } from './leftovers/kube-proxy.ts';
import { until } from './testing/until.ts';

const missing =
  controlPlaneMissing() ??
  (existsSync(kubernetesProgram('kube-proxy'))
    ? undefined
    : 'kube-proxy is not built (conformance/peers.ts --all)');
if (missing !== undefined) process.stderr.write(`skipped: a change-over from kube-proxy: ${missing}\n`);

const MAIN = new URL('../../main.ts', import.meta.url).pathname;
const available = missing === undefined && freshNetns();
const ipset = available && kernelHas('ipvs', 'dummy') ? ipsetEnvironment() : undefined;

const WEB = '10.96.0.100';
/** New connections a second, of the node and of a pod each. */
const RATE = isVm ? 15 : 500;
/** Who is not answered within this time (ms) has failed. */
const PATIENCE = isVm ? 30_000 : 5000;

type ModeName = 'nftables' | 'iptables' | 'ipvs';

describe.skipIf(!available)('from kube-proxy', () => {
  const directory = new TemporaryDirectory();
  let plane: ControlPlane;
  let kubeconfig: string;
  let servers: TrafficServers;

  beforeAll(async () => {
    run('ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
    for (const device of ['near', 'far']) run('ip', 'link', 'set', device, 'up');
    for (const ip of ['192.0.2.1/24', '10.244.1.2/32']) run('ip', 'address', 'add', ip, 'dev', 'near');
    run('ip', 'route', 'add', 'default', 'via', '192.0.2.254', 'dev', 'near');
    addPod();
    const server = Bun.serve({ hostname: '10.244.1.2', port: 8080, fetch: () => new Response('served') });
    afterAll(() => server.stop(true));
    const echo = await Bun.udpSocket({
      hostname: '10.244.1.2',
      port: 8082,
      socket: { data: (socket, bytes, port, host) => void socket.send(bytes, port, host) },
    });
    afterAll(() => echo.close());
    servers = new TrafficServers([]);
    await servers.listen('one', '10.244.1.2', 8081);
    plane = await ControlPlane.start({ directory: directory.join('plane') });
    await plane.createNode({ name: 'n1', podCidrs: ['10.244.1.0/24'], addresses: ['192.0.2.1'] });
    kubeconfig = plane.kubeconfig('admin', plane.adminKeys);
    await plane.admin.post('/api/v1/namespaces/default/services', {
      metadata: { name: 'web' },
      spec: {
        clusterIP: WEB,
        ports: [
          { name: 'http', port: 80, targetPort: 8080 },
          { name: 'traffic', port: 81, targetPort: 8081 },
          { name: 'echo', port: 82, targetPort: 8082, protocol: 'UDP' },
        ],
      },
    });
    await plane.admin.post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [
        { name: 'http', port: 8080, protocol: 'TCP' },
        { name: 'traffic', port: 8081, protocol: 'TCP' },
        { name: 'echo', port: 8082, protocol: 'UDP' },
      ],
      endpoints: [{ addresses: ['10.244.1.2'] }],
    });
  }, 120_000 * slowness);
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    await servers?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  const daemon = (name: string, command: readonly string[], mode: ModeName): TestDaemon => {
    const config = directory.join(`${name}.conf`);
    writeFileSync(
      config,
      `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ${mode}\nclusterCIDR: 10.244.0.0/16\n` +
        `conntrack: {maxPerCore: 0}\nclientConnection: {kubeconfig: ${kubeconfig}}\n`,
    );
    return new TestDaemon({
      name,
      command: [...command, `--config=${config}`, '--hostname-override=n1'],
      log: directory.join(`${name}.log`),
      ...(ipset && { env: ipset }),
      startLimitMs: 20_000,
      ready: async () => {
        if ((await fetch('http://127.0.0.1:10256/healthz')).status !== 200)
          throw new Error('not healthy yet');
        if ((await ask()) !== 'served') throw new Error('the service is not programmed yet');
      },
    });
  };
  const kubeProxy = (mode: ModeName): TestDaemon =>
    daemon('kube-proxy', [kubernetesProgram('kube-proxy')], mode);
  const ask = async (): Promise<string> => {
    const options = { keepalive: false, signal: AbortSignal.timeout(2000 * slowness) };
    return await fetch(`http://${WEB}/`, options).then(
      (response) => response.text(),
      (error: unknown) => String(error),
    );
  };
  const traffic = (enter: readonly string[]): TrafficClient =>
    new TrafficClient(enter, {
      targets: [{ address: WEB, port: 81, perSecond: RATE, held: 4 }],
      patienceMs: PATIENCE,
    });
  const state = [`--state-dir=${directory.join('state')}`, `--run-dir=${directory.join('run')}`];
  const cleanUp = (): string => {
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, MAIN, 'proxy', '--cleanup', ...state]);
    expect([exitCode, stderr.toString()]).toEqual([0, expect.anything()]);
    return stderr.toString();
  };

  test.each<[ModeName, ModeName]>([
    ['nftables', 'nftables'],
    ['iptables', 'nftables'],
    ['iptables', 'iptables'],
    ['ipvs', 'ipvs'],
    ['ipvs', 'nftables'],
  ])(
    'in mode %s to ours in mode %s, and back',
    async (theirMode, ourMode) => {
      if (theirMode === 'ipvs' && !ipset) return;
      const isTakenOver = theirMode === ourMode && theirMode !== 'nftables';
      await using before = kubeProxy(theirMode);
      await before.start();
      expect(theirs(theirMode).length).toBeGreaterThan(0);
      await using node = traffic([]);
      await using pod = traffic(inNetns('pod'));
      // One flow, which never pauses for long enough to be forgotten.
      using flow = await udpFlow();
      await flow.isAnswered();
      await before.stop();
      {
        await using ours = daemon('underpod proxy', [process.execPath, MAIN, 'proxy', ...state], ourMode);
        // As long as ours is not ready, all of theirs is there.
        const there = theirs(theirMode);
        const starting = ours.start();
        await until('the start', () => existsSync(directory.join('state', 'proxy.json')), 20_000 * slowness);
        const meanwhile = theirs(theirMode);
        if (!isHealthy()) expect(meanwhile).toEqual(there);
        await starting;
        const left = (): string[] => theirs(theirMode).filter((what) => !isForOpenConnections(what));
        if (isTakenOver) expect(left()).not.toEqual([]);
        else await until('the end of theirs', () => left().length === 0, 20_000 * slowness);
        await flow.isAnswered();
        await Bun.sleep(isVm ? 5000 : 500);
        await ours.stop();
      }
      await using after = kubeProxy(theirMode);
      await after.start();
      // What is healthy has programmed, as kube-proxy does not say by itself.
      const again = (): boolean => theirs(theirMode).some((what) => !isForOpenConnections(what));
      await until('theirs again', again, 20_000 * slowness);
      const said = cleanUp();
      if (isTakenOver) expect(said).toContain('kube-proxy');
      expect(theirs(theirMode).length).toBeGreaterThan(0);
      expect(run('nft', 'list', 'tables')).not.toContain('underpod');
      await flow.isAnswered();
      await Bun.sleep(isVm ? 5000 : 200);
      for (const [who, client] of Object.entries({ node, pod })) {
        const report = await client.stop();
        process.stderr.write(`${theirMode} → ${ourMode} → ${theirMode}, ${who}: ${summary(report)}\n`);
        expect(report.failures).toEqual([]);
        expect(report.held.ended).toBe(0);
        expect(report.opened / report.seconds).toBeGreaterThan(RATE * 0.3);
      }
      await after.stop();
      const cleaned = Bun.spawnSync([kubernetesProgram('kube-proxy'), '--cleanup'], {
        ...(ipset && { env: ipset }),
      });
      // Of mode ipvs it leaves sets, and says so.
      if (theirMode === 'ipvs') await removeKubeProxyRules(silentLogger);
      else expect(cleaned.exitCode).toBe(0);
    },
    120_000 * slowness,
  );
});

/** A client of UDP that keeps its port and says something again and again. */
async function udpFlow(): Promise<Disposable & { isAnswered(): Promise<void> }> {
  let answered = '';
  let said = 0;
  const socket = await Bun.udpSocket({
    connect: { hostname: WEB, port: 82 },
    socket: {
      data: (_, bytes) => {
        answered = bytes.toString();
      },
    },
  });
  const say = (): void => {
    said += 1;
    socket.send(`${said}`);
  };
  const timer = setInterval(say, isVm ? 250 : 50);
  return {
    // Something that is said from now on.
    isAnswered: async () => {
      const before = said;
      await until('an answer by UDP', () => Number(answered) > before, 10_000 * slowness);
    },
    [Symbol.dispose]: () => {
      clearInterval(timer);
      socket.close();
    },
  };
}

/** A pod of this node, in a namespace of its own. */
function addPod(): void {
  run('ip', 'netns', 'add', 'pod');
  run('ip', 'link', 'add', 'veth-pod', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'pod');
  run('ip', 'link', 'set', 'veth-pod', 'up');
  run('ip', 'address', 'add', '10.244.1.1/32', 'dev', 'veth-pod');
  run('ip', 'route', 'add', '10.244.1.9', 'dev', 'veth-pod');
  for (const link of ['lo', 'eth0']) run('ip', '-n', 'pod', 'link', 'set', link, 'up');
  run('ip', '-n', 'pod', 'address', 'add', '10.244.1.9/24', 'dev', 'eth0');
  run('ip', '-n', 'pod', 'route', 'add', 'default', 'via', '10.244.1.1');
}

/** What a kube-proxy has in the kernel, in each of its modes. */
function theirs(mode: ModeName): string[] {
  const texts = [run('nft', 'list', 'ruleset'), run('iptables-nft-save'), run('iptables-legacy-save')];
  const lines = texts
    .join('\n')
    .split('\n')
    .map((line) => line.replace(/\[\d+:\d+\]/, ''))
    .filter((line) => /KUBE-S(VC|EP|ERVICES)|table ip6? kube-proxy/.test(line));
  if (mode !== 'ipvs') return lines;
  using kernel = Ipvs.open();
  using sets = IpSets.open();
  const devices = run('ip', '-o', 'address').match(/kube-ipvs0\s+inet \S+/g) ?? [];
  const virtual = kernel
    .virtualServers()
    .map(({ address, port }) => `virtual server ${address.value}:${port}`);
  return [...lines, ...devices, ...virtual, ...sets.names()].sort();
}

/** What IPVS keeps while connections are open that go through it: here those that are held, to port 81. */
function isForOpenConnections(what: string): boolean {
  return /^(?:KUBE-|kube-ipvs0 )|^virtual server .*:81$/.test(what);
}

function isHealthy(): boolean {
  return Bun.spawnSync(['curl', '-sf', 'http://127.0.0.1:10256/healthz']).exitCode === 0;
}
