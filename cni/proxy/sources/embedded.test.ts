import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import type { ApiObject } from '../../../shared/kube/types.ts';
import { silentLogger } from '../../../shared/log/logger.ts';
import { EmbeddedStore } from '../../../shared/store/embedded/store.ts';
import type { KubeObject } from '../../../shared/store/kube-object.ts';
import { until } from '../testing/until.ts';
import { EmbeddedSource } from './embedded.ts';
import { PodAddresses } from './pod-addresses.ts';

const stack: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of stack.splice(0).reverse()) await end();
});

interface Slice extends ApiObject {
  readonly ports: readonly { readonly name: string; readonly port: number }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready: boolean };
    readonly nodeName?: string;
  }[];
}

/** `10.0.0.1:80@n1`, with `!` for one that is not ready. */
function endpoints(slices: ReadonlyMap<string, Slice>): string[] {
  return [...slices.values()]
    .flatMap(({ ports, endpoints: all }) =>
      all.map(
        ({ addresses, conditions, nodeName }) =>
          `${addresses[0]}:${ports.map(({ port }) => port).join('+')}@${nodeName}${conditions?.ready === false ? '!' : ''}`,
      ),
    )
    .sort();
}

class Bench {
  readonly directory: TemporaryDirectory = new TemporaryDirectory();
  readonly store: EmbeddedStore = EmbeddedStore.open(this.directory.join('store.db'));
  readonly warnings: string[] = [];
  readonly services: Map<string, string> = new Map();
  readonly slices: Map<string, Slice> = new Map();
  readonly nodes: unknown[] = [];
  synced = 0;

  constructor() {
    stack.push(() => this.directory[Symbol.dispose]());
    stack.push(() => this.store[Symbol.dispose]());
    mkdirSync(this.directory.join('cni/results'), { recursive: true });
  }

  put(kind: string, name: string, more: object = {}, labels: Record<string, string> = {}): void {
    const isSlice = kind === 'EndpointSlice';
    const namespace = kind === 'Node' ? undefined : 'default';
    this.store.put({
      apiVersion: isSlice ? 'discovery.k8s.io/v1' : 'v1',
      kind,
      metadata: { name, ...(namespace && { namespace }), labels },
      ...more,
    } as KubeObject);
  }

  pod(name: string, ip: string | undefined, more: { spec?: object; status?: object } = {}): void {
    const status = { ...(ip !== undefined && { podIPs: [{ ip }] }), ...more.status };
    this.put('Pod', name, { spec: { nodeName: 'n2', ...more.spec }, status }, { app: 'web' });
  }

  start(): void {
    const keep = <T>(map: Map<string, T>, changes: ReadonlyMap<string, T | undefined>): void => {
      for (const [key, value] of changes)
        if (value === undefined) map.delete(key);
        else map.set(key, value);
    };
    const log = {
      ...silentLogger,
      warn: (message: string, fields = {}) => this.warnings.push(`${message} ${JSON.stringify(fields)}`),
    };
    const pods = new PodAddresses({
      store: this.store,
      node: 'n1',
      cniCacheDir: this.directory.join('cni'),
      clock: systemClock,
      log: silentLogger,
    });
    stack.push(() => pods[Symbol.dispose]());
    const source = new EmbeddedSource<string, Slice>({
      store: this.store,
      path: 'store.db',
      clock: systemClock,
      log: log as typeof silentLogger,
      node: 'n1',
      project: { service: (object) => object.metadata.name, slice: (object) => object as Slice },
      onPods: () => pods.look(),
      events: {
        services: (changes) => keep(this.services, changes),
        slices: (changes) => keep(this.slices, changes),
        serviceCidrs: () => {},
        node: (node) => this.nodes.push(node),
        synced: () => {
          this.synced += 1;
        },
        health: () => {},
      },
    });
    const stop = new AbortController();
    const end = source.run(stop.signal);
    stack.push(async () => {
      stop.abort();
      await end;
    });
  }

  has(...expected: string[]): Promise<void> {
    return until(`endpoints ${expected.join()}`, () => Bun.deepEquals(endpoints(this.slices), expected));
  }

  /** As a CNI runtime leaves it after an ADD. */
  result(pod: string, container: string, addresses: readonly string[], ifname = 'eth0'): string {
    const path = this.directory.join(`cni/results/net-${container}-${ifname}`);
    const entry = {
      kind: 'cniCacheV1',
      containerId: container,
      config: '',
      ifName: ifname,
      networkName: 'net',
      cniArgs: [
        ['IgnoreUnknown', '1'],
        ['K8S_POD_NAMESPACE', 'default'],
        ['K8S_POD_NAME', pod],
      ],
      result: { cniVersion: '1.0.0', ips: addresses.map((address) => ({ address })) },
    };
    writeFileSync(path, JSON.stringify(entry));
    return path;
  }
}

const web = {
  spec: { clusterIP: '10.96.0.10', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
};

describe('slices are derived from selectors', () => {
  test('as pods come, change and go', async () => {
    const bench = new Bench();
    bench.put('Service', 'web', web);
    bench.pod('a', '10.244.2.2');
    bench.put('Pod', 'other', { status: { podIPs: [{ ip: '10.244.2.9' }] } }, { app: 'db' });
    bench.start();
    await bench.has('10.244.2.2:8080@n2');
    expect([bench.synced, [...bench.services.keys()]]).toEqual([1, ['default/web']]);
    bench.pod('b', '10.244.2.3', { status: { conditions: [{ type: 'Ready', status: 'False' }] } });
    await bench.has('10.244.2.2:8080@n2', '10.244.2.3:8080@n2!');
    bench.pod('b', '10.244.2.3');
    await bench.has('10.244.2.2:8080@n2', '10.244.2.3:8080@n2');
    bench.pod('a', '10.244.2.2', { status: { phase: 'Failed' } });
    await bench.has('10.244.2.3:8080@n2');
    bench.store.delete({ kind: 'Pod', namespace: 'default', name: 'b' });
    await bench.has();
    expect(bench.warnings).toHaveLength(1);
    expect(bench.warnings[0]).toContain('"selector":"app=web"');
  });

  test('a selector that changes, and a service that goes', async () => {
    const bench = new Bench();
    bench.pod('a', '10.244.2.2');
    bench.put('Service', 'web', web);
    bench.start();
    await bench.has('10.244.2.2:8080@n2');
    bench.put('Service', 'web', { spec: { ...web.spec, selector: { app: 'none' } } });
    await bench.has();
    bench.put('Service', 'web', web);
    await bench.has('10.244.2.2:8080@n2');
    bench.store.delete({ kind: 'Service', namespace: 'default', name: 'web' });
    await bench.has();
    expect(bench.services.size).toBe(0);
  });

  test('both families, ports by name, and slices that somebody wrote', async () => {
    const bench = new Bench();
    bench.put('Service', 'web', {
      spec: { ...web.spec, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
    });
    const ports = [{ name: 'web', containerPort: 8081 }];
    bench.pod('a', undefined, {
      spec: { containers: [{ ports }] },
      status: { podIPs: [{ ip: '10.244.2.2' }, { ip: 'fd00::2' }] },
    });
    bench.pod('b', '10.244.2.3', {
      spec: { containers: [{ ports: [{ name: 'web', containerPort: 9000 }] }] },
    });
    bench.put('EndpointSlice', 'byhand', {
      addressType: 'IPv4',
      ports: [{ port: 1 }],
      endpoints: [{ addresses: ['192.0.2.7'], nodeName: 'x' }],
    });
    bench.start();
    await bench.has('10.244.2.2:8081@n2', '10.244.2.3:9000@n2', '192.0.2.7:1@x', 'fd00::2:8081@n2');
  });

  test("pods on the node's own network have its addresses", async () => {
    const bench = new Bench();
    bench.put('Node', 'n2', { status: { addresses: [{ type: 'InternalIP', address: '192.0.2.2' }] } });
    bench.put('Service', 'web', web);
    bench.pod('a', undefined, { spec: { hostNetwork: true } });
    bench.start();
    await bench.has('192.0.2.2:8080@n2');
    bench.put('Node', 'n2', { status: { addresses: [{ type: 'InternalIP', address: '192.0.2.3' }] } });
    await bench.has('192.0.2.3:8080@n2');
  });
});

describe("pods' addresses come from CNI's results", () => {
  test('whether the pod or its result is there first, until the DEL', async () => {
    const bench = new Bench();
    bench.put('Service', 'web', web);
    bench.put('Pod', 'a', {}, { app: 'web' });
    bench.start();
    await until('lists', () => bench.synced === 1);
    const path = bench.result('a', 'c1', ['10.244.1.2/24', 'fd00::2/64']);
    await bench.has('10.244.1.2:8080@n1', 'fd00::2:8080@n1');
    bench.result('b', 'c2', ['10.244.1.3/24']);
    bench.put('Pod', 'b', {}, { app: 'web' });
    await bench.has('10.244.1.2:8080@n1', '10.244.1.3:8080@n1', 'fd00::2:8080@n1');
    rmSync(path);
    await bench.has('10.244.1.3:8080@n1');
  });

  test("another node's pods, and addresses given by hand, stay", async () => {
    const bench = new Bench();
    bench.put('Service', 'web', web);
    bench.pod('a', '10.244.2.2');
    bench.put('Pod', 'byhand', { status: { podIPs: [{ ip: '192.0.2.9' }] } }, { app: 'web' });
    bench.result('a', 'c1', ['10.244.1.2/24']);
    bench.result('byhand', 'c2', ['10.244.1.3/24']);
    bench.start();
    await bench.has('10.244.2.2:8080@n2', '192.0.2.9:8080@undefined');
  });

  test("a new sandbox's result counts, and a second network's does not; half a file is read when it is whole", async () => {
    const bench = new Bench();
    bench.put('Service', 'web', web);
    bench.put('Pod', 'a', {}, { app: 'web' });
    bench.result('a', 'old', ['10.244.1.2/24']);
    bench.result('a', 'old', ['172.16.0.2/24'], 'net1');
    bench.start();
    await bench.has('10.244.1.2:8080@n1');
    writeFileSync(bench.directory.join('cni/results/net-half-eth0'), '{"kind":"cniCac');
    await Bun.sleep(5);
    bench.result('a', 'new', ['10.244.1.3/24']);
    await bench.has('10.244.1.3:8080@n1');
  });
});
