/** From a real kube-proxy to ours, under a thousand new connections a second: its rules go once ours are in, and none fails. */

import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ControlPlane, controlPlaneMissing } from '../../conformance/kubernetes/control-plane.ts';
import { kubernetesProgram } from '../../conformance/kubernetes/programs.ts';
import { TrafficClient } from '../../conformance/proxy/traffic/client.ts';
import { summary } from '../../conformance/proxy/traffic/report.ts';
import { TrafficServers } from '../../conformance/proxy/traffic/servers.ts';
import { TestDaemon } from '../../conformance/testing/daemon.ts';
import { freshNetns, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';

const missing =
  controlPlaneMissing() ??
  (existsSync(kubernetesProgram('kube-proxy'))
    ? undefined
    : 'kube-proxy is not built (conformance/peers.ts --all)');
if (missing !== undefined) process.stderr.write(`skipped: a change-over from kube-proxy: ${missing}\n`);

const MAIN = new URL('../../main.ts', import.meta.url).pathname;

describe.skipIf(missing !== undefined || !freshNetns())('from kube-proxy', () => {
  const directory = new TemporaryDirectory();
  let plane: ControlPlane;
  let kubeconfig: string;
  let servers: TrafficServers;

  beforeAll(async () => {
    run('ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
    for (const device of ['near', 'far']) run('ip', 'link', 'set', device, 'up');
    for (const ip of ['192.0.2.1/24', '10.244.1.2/32']) run('ip', 'address', 'add', ip, 'dev', 'near');
    run('ip', 'route', 'add', 'default', 'via', '192.0.2.254', 'dev', 'near');
    const server = Bun.serve({ hostname: '10.244.1.2', port: 8080, fetch: () => new Response('served') });
    afterAll(() => server.stop(true));
    servers = new TrafficServers([]);
    await servers.listen('one', '10.244.1.2', 8081);
    plane = await ControlPlane.start({ directory: directory.join('plane') });
    await plane.createNode({ name: 'n1', podCidrs: ['10.244.1.0/24'], addresses: ['192.0.2.1'] });
    kubeconfig = plane.kubeconfig('admin', plane.adminKeys);
    await plane.admin.post('/api/v1/namespaces/default/services', {
      metadata: { name: 'web' },
      spec: {
        clusterIP: '10.96.0.100',
        ports: [
          { name: 'http', port: 80, targetPort: 8080 },
          { name: 'traffic', port: 81, targetPort: 8081 },
        ],
      },
    });
    await plane.admin.post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
      metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [
        { name: 'http', port: 8080, protocol: 'TCP' },
        { name: 'traffic', port: 8081, protocol: 'TCP' },
      ],
      endpoints: [{ addresses: ['10.244.1.2'] }],
    });
  }, 120_000);
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    await servers?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  const daemon = (name: string, command: readonly string[], mode: string): TestDaemon => {
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
      startLimitMs: 20_000,
      ready: async () => {
        if ((await fetch('http://127.0.0.1:10256/healthz')).status !== 200)
          throw new Error('not healthy yet');
        if ((await ask()) !== 'served') throw new Error('the service is not programmed yet');
      },
    });
  };
  const ask = async (): Promise<string> => {
    const options = { keepalive: false, signal: AbortSignal.timeout(2000) };
    return await fetch('http://10.96.0.100/', options).then(
      (response) => response.text(),
      (error: unknown) => String(error),
    );
  };
  const theirs = (): string[] =>
    [run('nft', 'list', 'ruleset'), run('iptables-nft-save'), run('iptables-legacy-save')]
      .join('\n')
      .split('\n')
      .filter((line) => /KUBE-S(VC|EP|ERVICES)|table ip6? kube-proxy/.test(line));

  test.each(['nftables', 'iptables'])(
    'in mode %s, and back',
    async (mode) => {
      await using before = daemon('kube-proxy', [kubernetesProgram('kube-proxy')], mode);
      await before.start();
      expect(theirs().length).toBeGreaterThan(0);
      await using traffic = new TrafficClient([], {
        targets: [{ address: '10.96.0.100', port: 81, perSecond: 1000, held: 8 }],
        patienceMs: 5000,
      });
      await before.stop();
      const state = [`--state-dir=${directory.join('state')}`, `--run-dir=${directory.join('run')}`];
      {
        await using ours = daemon('underpod proxy', [process.execPath, MAIN, 'proxy', ...state], 'nftables');
        await ours.start();
        const end = performance.now() + 20_000;
        while (theirs().length > 0) {
          if (performance.now() > end) throw new Error(`left: ${theirs().join('\n')}`);
          await Bun.sleep(50);
        }
        await ours.stop();
      }
      await using after = daemon('kube-proxy', [kubernetesProgram('kube-proxy')], mode);
      await after.start();
      // What is healthy has programmed, as kube-proxy does not say by itself.
      while (theirs().length === 0) await Bun.sleep(50);
      const cleaned = Bun.spawnSync([process.execPath, MAIN, 'proxy', '--cleanup', ...state]);
      expect(cleaned.exitCode).toBe(0);
      expect(run('nft', 'list', 'tables')).not.toContain('underpod');
      await Bun.sleep(200);
      const report = await traffic.stop();
      process.stderr.write(`${mode}: ${summary(report)}\n`);
      expect(report.failures).toEqual([]);
      expect(report.held.ended).toBe(0);
      expect(report.opened / report.seconds).toBeGreaterThan(300);
      await after.stop();
      expect(Bun.spawnSync([kubernetesProgram('kube-proxy'), '--cleanup']).exitCode).toBe(0);
    },
    120_000,
  );
});
