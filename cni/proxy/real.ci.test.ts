/** The service proxy as a program against a real kube-apiserver, with the rights that its manifest gives it. */

import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Manifest, only, proxyManifestsOf } from '../../conformance/deploy/manifests.ts';
import {
  ControlPlane,
  controlPlaneMissing,
  type PolicyRule,
} from '../../conformance/kubernetes/control-plane.ts';
import { TestDaemon } from '../../conformance/testing/daemon.ts';
import { freshNetns, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { slowness } from '../../conformance/testing/slowness.ts';
import type { KubeEvent } from './events/event.ts';
import { until } from './testing/until.ts';

const missing = controlPlaneMissing();
if (missing !== undefined) process.stderr.write(`skipped: a real kube-apiserver: ${missing}\n`);

const MAIN = new URL('../../main.ts', import.meta.url).pathname;
const SERVICES = '/api/v1/namespaces/default/services';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';

describe.skipIf(missing !== undefined || !freshNetns())('underpod proxy on a real API server', () => {
  const directory = new TemporaryDirectory();
  let plane: ControlPlane;
  let proxy: TestDaemon;

  beforeAll(async () => {
    run('ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
    for (const device of ['near', 'far']) run('ip', 'link', 'set', device, 'up');
    for (const ip of ['192.0.2.1/24', '10.244.1.2/32', '10.244.1.3/32'])
      run('ip', 'address', 'add', ip, 'dev', 'near');
    run('ip', 'route', 'add', 'default', 'via', '192.0.2.254', 'dev', 'near');
    for (const hostname of ['10.244.1.2', '10.244.1.3']) {
      const server = Bun.serve({ hostname, port: 8080, fetch: () => new Response(hostname) });
      afterAll(() => server.stop(true));
    }
    plane = await ControlPlane.start({ directory: directory.join('plane') });
    const { rules } = only<Manifest & { rules: readonly PolicyRule[] }>(
      proxyManifestsOf('k3s'),
      'ClusterRole',
    );
    await plane.createServiceAccount('kube-system', 'proxy', rules);
    const token = await plane.token('kube-system', 'proxy');
    await plane.createNode({ name: 'n1', podCidrs: ['10.244.1.0/24'], addresses: ['192.0.2.1'] });
    const config = directory.join('config.conf');
    writeFileSync(
      config,
      'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\nclusterCIDR: 10.244.0.0/16\n' +
        `clientConnection: {kubeconfig: ${plane.kubeconfig('proxy', { token })}}\n`,
    );
    proxy = new TestDaemon({
      name: 'underpod proxy',
      command: [
        ...[process.execPath, MAIN, 'proxy', `--config=${config}`, '--hostname-override=n1'],
        ...[`--state-dir=${directory.join('state')}`, `--run-dir=${directory.join('run')}`],
      ],
      log: directory.join('log'),
      startLimitMs: 5000,
      ready: async () => {
        if ((await fetch('http://127.0.0.1:10256/healthz')).status !== 200)
          throw new Error('not healthy yet');
      },
    });
  }, 120_000);
  afterAll(async () => {
    await proxy?.stop();
    await plane?.[Symbol.asyncDispose]();
    directory[Symbol.dispose]();
  });

  const service = (name: string, clusterIP: string, more: object = {}): Promise<unknown> =>
    plane.admin.post(SERVICES, {
      metadata: { name },
      spec: { clusterIP, ports: [{ port: 80, targetPort: 8080 }], ...more },
    });
  const slice = (name: string, address: string): object => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080, protocol: 'TCP' }],
    endpoints: [{ addresses: [address] }],
  });
  const answers = async (address: string, expected: string): Promise<void> => {
    const end = performance.now() + 10_000 * slowness;
    for (;;) {
      const text = await fetch(`http://${address}/`, {
        keepalive: false,
        signal: AbortSignal.timeout(1000),
      }).then(
        (response) => response.text(),
        (error: unknown) => String(error),
      );
      if (text === expected) return;
      if (performance.now() > end) throw new Error(`${address} answers "${text}", not "${expected}"`);
      await Bun.sleep(5);
    }
  };

  test('with its own rights alone it serves what comes, changes and goes', async () => {
    await service('web', '10.96.0.100', { type: 'NodePort' });
    await plane.admin.post(SLICES, slice('web', '10.244.1.2'));
    await proxy.start();
    await answers('10.96.0.100', '10.244.1.2');
    const { spec } = await plane.admin.get<{ spec: { ports: { nodePort: number }[] } }>(`${SERVICES}/web`);
    await answers(`192.0.2.1:${spec.ports[0]?.nodePort}`, '10.244.1.2');
    await plane.admin.patch(`${SLICES}/web-1`, { endpoints: [{ addresses: ['10.244.1.3'] }] });
    await answers('10.96.0.100', '10.244.1.3');
    await service('new', '10.96.0.101');
    await plane.admin.post(SLICES, slice('new', '10.244.1.2'));
    await answers('10.96.0.101', '10.244.1.2');
    // Nobody has that address, and ServiceCIDRs say that it is a service's.
    await until('the ServiceCIDR', () =>
      run('nft', 'list', 'table', 'ip', 'underpod-proxy').includes('10.96.0.0/16'),
    );
    const events = async (): Promise<readonly KubeEvent[]> => {
      const path = '/apis/events.k8s.io/v1/namespaces/default/events';
      return (await plane.admin.get<{ items: readonly KubeEvent[] }>(path)).items;
    };
    let started: KubeEvent | undefined;
    for (const end = performance.now() + 10_000; !started && performance.now() < end; await Bun.sleep(50))
      started = (await events()).find(({ reason }) => reason === 'Starting');
    expect(started).toMatchObject({
      reportingController: 'underpod-proxy',
      regarding: { kind: 'Node', name: 'n1' },
    });
    const metrics = await (await fetch('http://127.0.0.1:10249/metrics')).text();
    for (const [code, method] of [
      [200, 'GET'],
      [201, 'POST'],
    ])
      expect(metrics).toContain(
        `rest_client_requests_total{code="${code}",method="${method}",host="127.0.0.1:`,
      );
    expect(metrics).toMatch(/^process_resident_memory_bytes \d+$/m);
    // Refused is what the manifest's rights do not hold.
    expect(await Bun.file(directory.join('log')).text()).not.toMatch(/forbidden|403/i);
  });

  test('an API server that is killed costs nothing that is programmed, and changes count when it is back', async () => {
    await plane.apiserver.kill();
    await answers('10.96.0.100', '10.244.1.3');
    expect((await fetch('http://127.0.0.1:10256/healthz')).status).toBe(200);
    await plane.apiserver.start();
    await plane.admin.patch(`${SLICES}/web-1`, { endpoints: [{ addresses: ['10.244.1.2'] }] });
    await answers('10.96.0.100', '10.244.1.2');
  }, 60_000);

  test('a restart while it is away keeps the table', async () => {
    await proxy.stop();
    await plane.apiserver.kill();
    const before = run('nft', '-a', 'list', 'table', 'ip', 'underpod-proxy');
    const starting = proxy.start();
    await answers('10.96.0.100', '10.244.1.2');
    await until('livez', () => Bun.spawnSync(['curl', '-sf', 'http://127.0.0.1:10256/livez']).exitCode === 0);
    expect((await fetch('http://127.0.0.1:10256/healthz')).status).toBe(503);
    expect(run('nft', '-a', 'list', 'table', 'ip', 'underpod-proxy')).toBe(before);
    await plane.apiserver.start();
    await starting;
    await answers('10.96.0.100', '10.244.1.2');
  }, 90_000);
});
