import { afterEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../shared/daemon/clock.ts';
import { formatCidr } from '../../shared/ip/cidr.ts';
import { silentLogger } from '../../shared/log/logger.ts';
import { formatEndpoint } from './model/endpoint.ts';
import { proxyStatus, serviceStatus } from './report.ts';
import { answerHealth, answerMetrics } from './serve/http.ts';
import type { ServiceProxy } from './service-proxy.ts';
import { ProgrammedModes } from './state/programmed-modes.ts';
import { Bench, type Started } from './testing/bench.ts';
import { until } from './testing/until.ts';

const benches: Bench[] = [];
afterEach(async () => {
  for (const one of benches.splice(0)) await one[Symbol.asyncDispose]();
});

function bench(): Bench {
  const one = new Bench();
  benches.push(one);
  return one;
}

const start = (one: Bench, ...flags: string[]): Started => one.start(flags);

const ready = (proxy: ServiceProxy): Promise<void> => until('ready', () => proxy.health.isSynced);

describe('the loop', () => {
  test('programs nothing before both lists are in, then all, then what changes', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    b.api.slice('web', '10.244.1.2@n1', '10.244.2.2@n2');
    const held = b.api.server.inject({ when: ({ path }) => path.endsWith('endpointslices'), answer: 'hang' });
    {
      const { stop, proxy } = start(b);
      await until('services', () => proxy.parts.catalogue.serviceCount === 1);
      expect(b.kernel.calls).toEqual([]);
      expect(answerHealth(proxy, new Request('http://x/healthz')).status).toBe(503);
      expect(answerHealth(proxy, new Request('http://x/livez')).status).toBe(200);
      await stop();
      held[Symbol.dispose]();
    }
    const { proxy } = start(b);
    await ready(proxy);
    expect(b.kernel.calls).toEqual(['v4 replace', 'v6 replace']);
    expect(answerHealth(proxy, new Request('http://x/healthz')).status).toBe(200);
    const [web] = [...(b.kernel.tables.get(4)?.values() ?? [])];
    expect(web?.endpoints.map(formatEndpoint)).toEqual(['10.244.1.2:8080', '10.244.2.2:8080']);
    expect(web?.localEndpoints.map(formatEndpoint)).toEqual(['10.244.1.2:8080']);
    b.kernel.calls.splice(0);
    b.api.slice('web', '10.244.1.2@n1');
    await until('the change', () => b.kernel.calls.length > 0);
    await proxy.idle();
    expect(b.kernel.calls).toEqual(['v4 update default/web']);
    b.api.service('six', 'fd00:96::1');
    await until('the other family', () => b.kernel.names(6).length > 0);
    b.api.delete('Service', 'web');
    await until('the deletion', () => b.kernel.names(4).length === 0);
    expect(b.kernel.calls.filter((call) => call.includes('replace'))).toEqual([]);
  });

  test('a burst while it programs comes together', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    const { proxy } = start(b);
    await ready(proxy);
    b.kernel.calls.splice(0);
    for (let n = 0; n < 50; n += 1) b.api.service(`s${n}`, `10.96.1.${n}`);
    await until('all', () => b.kernel.names(4).length === 50);
    expect(b.kernel.calls.length).toBeLessThan(40);
  });

  test('a mode that fails is asked to do all of it, and is not healthy for ever', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    const { proxy } = start(b);
    await ready(proxy);
    b.kernel.calls.splice(0);
    b.kernel.failures.push(new Error('ENOBUFS'));
    b.api.service('web', '10.96.0.11');
    await until('the repair', () => b.kernel.calls.length >= 2);
    await proxy.idle();
    expect(b.kernel.calls).toEqual(['v4 update default/web', 'v4 replace']);
    expect(b.kernel.tables.get(4)?.get('default/web')?.frontends).toHaveLength(1);
  });

  test('who is told to stop programs what is pending, and waits for no period', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    const { proxy, stop } = start(b, '--iptables-sync-period=1h', '--iptables-min-sync-period=30m');
    await ready(proxy);
    await proxy.idle();
    b.api.service('web', '10.96.0.10');
    await until('the change', () => proxy.family(4).pending > 0);
    expect(b.kernel.names(4)).toEqual([]);
    await stop();
    expect(b.kernel.names(4)).toEqual(['default/web']);
  });

  test('what the kernel refuses is named, the rest is programmed', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.kernel.refused.add('default/bad');
    b.api.service('bad', '10.96.0.9');
    b.api.service('web', '10.96.0.10');
    const { proxy } = start(b, '--iptables-sync-period=50ms', '--iptables-min-sync-period=0');
    await ready(proxy);
    expect(b.kernel.names(4)).toEqual(['default/web']);
    expect(proxyStatus(proxy).problems).toEqual(['IPv4 default/bad: EINVAL']);
    b.kernel.refused.clear();
    await until('another attempt', () => b.kernel.names(4).length === 2);
    expect(proxyStatus(proxy).problems).toEqual([]);
  });

  test("iptables' rules are counted as kube-proxy counts them, and what is refused as a whole", async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    b.kernel.told = { rules: { nat: { total: 12, written: 12 }, filter: { total: 5, written: 5 } } };
    const { proxy } = start(b, '--proxy-mode=iptables');
    await ready(proxy);
    b.kernel.told = { rules: { nat: { total: 14, written: 2 } }, isRetried: true };
    b.api.service('more', '10.96.0.11');
    await until('it is programmed', () => b.kernel.names(4).length === 2);
    await proxy.idle();
    b.kernel.failures.push(new Error('refused'));
    b.kernel.told = {};
    b.api.service('again', '10.96.0.12');
    await until('it is programmed', () => b.kernel.names(4).length === 3);
    const lines = (await proxy.metrics.expose()).split('\n');
    const prefix = 'kubeproxy_sync_proxy_rules_iptables';
    for (const line of [
      `${prefix}_total{table="nat",ip_family="IPv4"} 14`,
      `${prefix}_last{table="nat",ip_family="IPv4"} 2`,
      `${prefix}_total{table="filter",ip_family="IPv4"} 5`,
      `${prefix}_restore_failures_total{ip_family="IPv4"} 2`,
      `${prefix}_partial_restore_failures_total{ip_family="IPv4"} 1`,
    ])
      expect(lines).toContain(line);
  });

  test('a foreign change has everything compared', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    const { proxy } = start(b);
    await ready(proxy);
    await proxy.idle();
    b.kernel.calls.splice(0);
    b.kernel.flush(4);
    await until('the repair', () => b.kernel.names(4).length === 1);
    await until('its count', () => proxy.repairs === 1);
    await proxy.idle();
    expect(b.kernel.calls).toEqual(['v4 verify']);
  });

  test('who cannot put right what somebody else changed is not healthy', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    const { proxy } = start(b, '--iptables-sync-period=50ms', '--iptables-min-sync-period=0');
    await ready(proxy);
    await proxy.idle();
    b.kernel.failures.push(...Array.from({ length: 2 }, () => new Error('ENOBUFS')));
    b.kernel.flush(4);
    await until('it is told', () => answerHealth(proxy, new Request('http://x/healthz')).status === 503);
    expect(proxy.isFailing(4)).toBe(true);
    await until('the repair', () => b.kernel.names(4).length === 1);
    await until('its end', () => answerHealth(proxy, new Request('http://x/healthz')).status === 200);
  });

  test('a kernel that takes nothing is not asked all the time, and who is told to stop ends', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.kernel.lacks.add(4).add(6);
    const { proxy, stop } = start(b);
    await until('the failures', () => proxy.isFailing(4) && proxy.isFailing(6));
    await Bun.sleep(200);
    expect(b.kernel.calls.length).toBeLessThan(8);
    await stop();
  });

  test('a node without IPv6 is healthy, whatever services are of it; one with it is not', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    b.api.service('six', 'fd00:96::1');
    b.kernel.lacks.add(6);
    b.hasIpv6 = false;
    {
      const { proxy, stop } = start(b, '--iptables-sync-period=50ms', '--iptables-min-sync-period=0');
      await ready(proxy);
      await Bun.sleep(150);
      expect(answerHealth(proxy, new Request('http://x/healthz')).status).toBe(200);
      expect(proxyStatus(proxy).problems).toEqual(['IPv6 cannot be programmed: see the log']);
      await stop();
    }
    b.hasIpv6 = true;
    const { proxy } = start(b, '--iptables-sync-period=50ms', '--iptables-min-sync-period=0');
    await until('IPv4', () => proxy.family(4).isProgrammed && proxy.isFailing(6));
    await until('it is late', () => answerHealth(proxy, new Request('http://x/livez')).status === 503);
    expect(answerHealth(proxy, new Request('http://x/healthz')).status).toBe(503);
  });

  test('what a Node said stays when it is deleted', async () => {
    const b = bench();
    const status = { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] };
    b.api.put('Node', 'n1', { status }, { labels: { 'topology.kubernetes.io/zone': 'a' } });
    b.api.service('web', '10.96.0.10', { ports: [{ port: 80, nodePort: 30080 }], type: 'NodePort' });
    b.api.put(
      'EndpointSlice',
      'web-1',
      {
        addressType: 'IPv4',
        ports: [{ name: '', port: 8080, protocol: 'TCP' }],
        endpoints: ['a', 'b'].map((zone, at) => ({
          addresses: [`10.244.1.${at}`],
          hints: { forZones: [{ name: zone }] },
        })),
      },
      { labels: { 'kubernetes.io/service-name': 'web' } },
    );
    const { proxy } = start(b, '--proxy-mode=nftables');
    await ready(proxy);
    const served = (): unknown => [
      b.kernel.modes.length,
      [b.kernel.modes[0]?.settings.nodePortAddresses]
        .flat()
        .map((one) => typeof one === 'object' && formatCidr(one)),
      b.kernel.tables.get(4)?.get('default/web')?.endpoints.map(formatEndpoint),
    ];
    const before = served();
    expect(before).toEqual([2, ['192.0.2.1/32'], ['10.244.1.0:8080']]);
    b.api.delete('Node', 'n1');
    await until('it is told', () => proxyStatus(proxy).problems.length > 0);
    expect(proxyStatus(proxy).problems).toEqual([
      'the Node "n1" was deleted: what it said last stays in force',
    ]);
    await proxy.idle();
    expect(served()).toEqual(before);
    b.api.put('Node', 'n1', { status }, { labels: { 'topology.kubernetes.io/zone': 'b' } });
    await until('the other zone', () => JSON.stringify(served()).includes('10.244.1.1:8080'));
    expect(proxyStatus(proxy).problems).toEqual([]);
  });

  test('a Node of that name that is not there is told of', async () => {
    const b = bench();
    b.api.service('web', '10.96.0.10');
    const { proxy } = start(b, '--datastore=kubernetes');
    await ready(proxy);
    await until('it is told', () => proxyStatus(proxy).problems.length > 0);
    expect(proxyStatus(proxy).problems[0]).toMatch(/no Node "n1".*--hostname-override/);
    b.api.put('Node', 'n1');
    await until('its end', () => proxyStatus(proxy).problems.length === 0);
  });

  test("bindAddress stands in for the Node's main address", async () => {
    const b = bench();
    b.api.put('Node', 'n1', {
      status: {
        addresses: ['192.0.2.1', '2001:db8::1'].map((address) => ({ type: 'InternalIP', address })),
      },
    });
    b.api.put('Service', 'web', {
      spec: { clusterIP: '10.96.0.10', ports: [{ port: 80 }], loadBalancerSourceRanges: ['203.0.113.0/24'] },
      status: { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } },
    });
    const { proxy } = start(b, '--proxy-mode=nftables', '--bind-address=203.0.113.9');
    await ready(proxy);
    const nodePorts = b.kernel.modes.map(({ settings }) => settings.nodePortAddresses);
    expect(nodePorts.map((some) => (some === 'all' ? some : some.map(formatCidr)))).toEqual([
      ['203.0.113.9/32'],
      ['2001:db8::1/128'],
    ]);
    const ranges = b.kernel.tables.get(4)?.get('default/web')?.sourceRanges?.map(formatCidr);
    expect(ranges).toEqual(['203.0.113.0/24', '198.51.100.1/32']);
  });

  test("the Node's networks decide what is local, and a change of them is another mode", async () => {
    const b = bench();
    b.api.service('web', '10.96.0.10');
    const { proxy } = start(b, '--detect-local-mode=NodeCIDR');
    await until('the lists', () => proxy.parts.catalogue.serviceCount === 1);
    await Bun.sleep(50);
    expect(b.kernel.calls).toEqual([]);
    expect(proxyStatus(proxy).problems[0]).toMatch(/waiting for the Node's pod networks/);
    b.api.put('Node', 'n1', { spec: { podCIDRs: ['10.244.1.0/24'] } });
    await ready(proxy);
    expect(b.kernel.modes[0]?.settings.localDetector).toMatchObject({ by: 'source' });
    expect(b.kernel.modes[1]?.settings.localDetector).toEqual({ by: 'nothing' });
    b.api.put('Node', 'n1', { spec: { podCIDRs: ['10.244.2.0/24'] } });
    await until('another mode', () => b.kernel.modes.length === 3);
    await proxy.idle();
    expect(b.kernel.names(4)).toEqual(['default/web']);
    b.api.delete('Node', 'n1');
    b.api.service('web', '10.96.0.11');
    await until('a later change', () => b.kernel.calls.at(-1) === 'v4 update default/web');
    expect(b.kernel.modes).toHaveLength(3);
  });

  test('flows are looked at when a UDP port was programmed, and for no other', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    const { proxy, flows } = start(b);
    await ready(proxy);
    await proxy.idle();
    expect(flows).toEqual([]);
    b.api.put(
      'EndpointSlice',
      'dns-1',
      {
        addressType: 'IPv4',
        ports: [{ name: '', port: 53, protocol: 'UDP' }],
        endpoints: [{ addresses: ['10.244.1.9'] }],
      },
      { labels: { 'kubernetes.io/service-name': 'dns' } },
    );
    b.api.service('dns', '10.96.0.53', { ports: [{ port: 53, protocol: 'UDP' }] });
    await until('a look', () => flows.length > 0);
    await proxy.idle();
    expect([...new Set(flows)]).toEqual(['v4']);
  });

  test('load balancers ask whether this node has an endpoint', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    const { freePort } = await import('../../conformance/testing/free-port.ts');
    const port = await freePort();
    b.api.service('web', '10.96.0.10', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: port,
    });
    b.api.slice('web', '10.244.1.2@n1');
    const { proxy } = start(b);
    await ready(proxy);
    await until('the port', () => proxy.checks.size === 1);
    const get = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/`)).status;
    expect(await get()).toBe(200);
    b.api.slice('web', '10.244.2.2@n2');
    await until('the move', () => b.kernel.tables.get(4)?.get('default/web')?.localEndpoints.length === 0);
    await proxy.idle();
    expect(await get()).toBe(503);
    b.api.delete('Service', 'web');
    await until('its end', () => proxy.checks.size === 0);
  });
});

describe('the disk', () => {
  test('after a boot what was there is programmed without a server, but for pods of this node', async () => {
    const b = bench();
    b.api.put('Node', 'n1', { spec: { podCIDRs: ['10.244.1.0/24'] } });
    b.api.service('web', '10.96.0.10');
    b.api.slice('web', '10.244.1.2@n1', '10.244.2.2@n2');
    {
      const { proxy, stop } = start(b);
      await ready(proxy);
      await stop();
    }
    expect(new ProgrammedModes(b.directory, silentLogger).all).toHaveLength(2);
    // A restart within one boot: the table stays as it is until the lists are in.
    using hung = b.api.server.inject({ answer: 'hang' });
    {
      b.kernel.calls.splice(0);
      const { stop } = start(b);
      await Bun.sleep(50);
      await stop();
      expect(b.kernel.calls.filter((call) => !call.includes('dispose'))).toEqual([]);
    }
    // Somebody cleaned up within one boot: nothing is known of why.
    b.kernel.tables.clear();
    {
      const { stop } = start(b);
      await Bun.sleep(50);
      await stop();
      expect(b.kernel.names(4)).toEqual([]);
    }
    b.kernel.reboot();
    const { proxy } = start(b);
    await until('the cache', () => proxy.isRestored);
    const restored = b.kernel.tables.get(4)?.get('default/web');
    expect(restored?.endpoints.map(formatEndpoint)).toEqual(['10.244.2.2:8080']);
    expect(answerHealth(proxy, new Request('http://x/healthz')).status).toBe(503);
    expect(proxyStatus(proxy)).toMatchObject({ restored: true, ready: false });
    void hung;
  });

  test('after a boot node ports are where the Node had them', async () => {
    const b = bench();
    const status = { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] };
    b.api.put('Node', 'n1', { status });
    b.api.service('web', '10.96.0.10');
    {
      const { proxy, stop } = start(b, '--proxy-mode=nftables');
      await ready(proxy);
      await stop();
    }
    b.kernel.reboot();
    b.kernel.modes.splice(0);
    using _hung = b.api.server.inject({ answer: 'hang' });
    const { proxy } = start(b, '--proxy-mode=nftables');
    await until('the cache', () => proxy.isRestored);
    const nodePorts = b.kernel.modes[0]?.settings.nodePortAddresses;
    expect(nodePorts === 'all' ? nodePorts : nodePorts?.map(formatCidr)).toEqual(['192.0.2.1/32']);
  });

  test('then the server tells, and it is healthy', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    b.api.service('gone', '10.96.0.11');
    {
      const { proxy, stop } = start(b);
      await ready(proxy);
      await stop();
    }
    b.kernel.reboot();
    b.api.delete('Service', 'gone');
    const { proxy } = start(b);
    await ready(proxy);
    expect(b.kernel.names(4)).toEqual(['default/web']);
    expect(proxyStatus(proxy)).toMatchObject({ restored: false, ready: true, services: 1 });
  });
});

describe('what it tells', () => {
  test("metrics, mode and configuration under kube-proxy's names", async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10', { internalTrafficPolicy: 'Local' });
    b.api.slice('web', '10.244.2.2@n2');
    const { proxy } = start(b);
    await ready(proxy);
    const ago = (ms: number): object => ({
      labels: { 'kubernetes.io/service-name': 'web' },
      annotations: {
        'endpoints.kubernetes.io/last-change-trigger-time': new Date(Date.now() - ms).toISOString(),
      },
    });
    const endpoints = [{ addresses: ['10.244.2.3'], nodeName: 'n2' }];
    const ports = [{ name: '', port: 8080, protocol: 'TCP' }];
    b.api.put('EndpointSlice', 'web-1', { addressType: 'IPv4', ports, endpoints }, ago(0));
    await until('the change', () => JSON.stringify(b.kernel.calls).includes('v4 update'));
    await proxy.idle();
    const get = async (path: string): Promise<string> =>
      (await answerMetrics(proxy, new Request(`http://x${path}`))).text();
    expect(await get('/proxyMode')).toBe('nftables');
    expect(await get('/healthz')).toBe('ok');
    expect(JSON.parse(await get('/configz'))).toMatchObject({
      'kubeproxy.config.k8s.io': { kind: 'KubeProxyConfiguration', clusterCIDR: '10.244.0.0/16' },
    });
    const metrics = await get('/metrics');
    for (const name of [
      'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 2',
      'kubeproxy_sync_full_proxy_rules_duration_seconds_bucket',
      'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}',
      'kubeproxy_sync_proxy_rules_service_changes_total 1',
      'kubeproxy_sync_proxy_rules_service_changes_pending 0',
      'kubeproxy_network_programming_duration_seconds_bucket{le="0.25",ip_family="IPv4"} 1',
      'kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="internal",ip_family="IPv4"} 1',
      'kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy="external",ip_family="IPv6"} 0',
      'underpod_proxy_ports_programmed{ip_family="IPv4"} 1',
      'underpod_proxy_ready 1',
      'underpod_proxy_event_to_kernel_seconds_count',
    ])
      expect(metrics).toContain(name);
  });

  test('the time of the last sync goes on while nothing happens, and stands still while something is wrong', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    const { proxy } = start(b, '--iptables-sync-period=20ms', '--iptables-min-sync-period=0');
    await ready(proxy);
    await proxy.idle();
    const of = async (name: string): Promise<number> =>
      Number(
        new RegExp(`^kubeproxy_sync_proxy_rules_${name}\\{ip_family="IPv4"\\} (\\S+)$`, 'm').exec(
          await proxy.metrics.expose(),
        )?.[1],
      );
    const goesOn = async (): Promise<boolean> => {
      const before = await of('last_timestamp_seconds');
      await Bun.sleep(100);
      return (await of('last_timestamp_seconds')) > before;
    };
    expect(await goesOn()).toBe(true);
    expect(await of('duration_seconds_count')).toBe(1);
    expect(b.kernel.calls).toEqual(['v4 replace', 'v6 replace']);
    // Longer than this test: the kernel takes nothing.
    b.kernel.failures.push(...Array.from({ length: 100 }, () => new Error('ENOBUFS')));
    b.api.service('web', '10.96.0.11');
    await until('the failure', () => proxy.isFailing(4));
    expect(await goesOn()).toBe(false);
    b.kernel.failures.length = 0;
    await until('the repair', () => !proxy.isFailing(4));
    expect(await goesOn()).toBe(true);
  });

  test('every hour everything is compared, though nobody has said anything', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    // An hour is half a second.
    const clock: Clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms / 7200, callback) };
    const { proxy } = b.start([], clock);
    await ready(proxy);
    await proxy.idle();
    expect(b.kernel.calls).toEqual(['v4 replace', 'v6 replace']);
    b.kernel.tables.get(4)?.clear();
    await until('it is put right', () => b.kernel.names(4).length === 1);
    expect(b.kernel.calls).toContain('v4 verify');
  });

  test('a family without a network of pods is masqueraded for nobody, and status says so', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('six', 'fd00:96::1');
    b.api.slice('six', 'fd00:10::1');
    const { proxy } = start(b);
    await ready(proxy);
    const status = await serviceStatus(proxy, 'default/six');
    expect(status?.ports.flatMap(({ frontends }) => frontends.map(({ does }) => does))).toEqual([
      'to an endpoint, the source address stays',
    ]);
  });

  test('a service: what becomes of packets, who serves, who does not and why', async () => {
    const b = bench();
    b.api.put('Node', 'n1');
    b.api.service('web', '10.96.0.10');
    b.api.put(
      'EndpointSlice',
      'web-1',
      {
        addressType: 'IPv4',
        ports: [{ name: '', port: 8080, protocol: 'TCP' }],
        endpoints: [
          { addresses: ['10.244.1.2'] },
          { addresses: ['10.244.1.3'], conditions: { ready: false } },
        ],
      },
      { labels: { 'kubernetes.io/service-name': 'web' } },
    );
    const { proxy } = start(b);
    await ready(proxy);
    expect(await serviceStatus(proxy, 'default/none')).toBeUndefined();
    expect(await serviceStatus(proxy, 'default/web')).toMatchObject({
      service: 'default/web',
      ports: [
        {
          name: 'default/web',
          family: 'IPv4',
          frontends: [
            { at: '10.96.0.10:80', does: 'to an endpoint, masqueraded if it comes from outside the pods' },
          ],
          endpoints: [{ at: '10.244.1.2:8080' }, { at: '10.244.1.3:8080', leftOut: 'not ready' }],
          kernel: ['default/web is there'],
          problems: [],
        },
      ],
    });
  });
});
