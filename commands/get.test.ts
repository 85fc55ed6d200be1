import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../shared/config/net-conf.ts';
import { parseIp } from '../shared/ip/ip.ts';
import { EmbeddedRegistry } from '../shared/store/embedded/registry.ts';
import { main as apply } from './apply.ts';
import { main as get } from './get.ts';
import { CommandBench } from './store/testing.ts';

const objects = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.10, ports: [{port: 80, name: http, nodePort: 30080}, {port: 53, name: dns, protocol: UDP}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-0}
spec: {nodeName: b}
status: {phase: Running, podIP: 10.244.9.2}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [10.1.0.1]}, {addresses: [10.1.0.2, 10.1.0.3]}, {addresses: [10.1.0.4]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: db, tier: back}}}
---
apiVersion: v1
kind: Node
metadata: {name: b}
spec: {podCIDR: 10.244.9.0/24}
`;

async function prepared(): Promise<CommandBench> {
  const bench = new CommandBench();
  expect((await bench.run(apply, ['-f', '-'], objects)).code).toBe(0);
  return bench;
}

describe('nodes', () => {
  test('are shown with their subnets, addresses, backend and the time left', async () => {
    using bench = await prepared();
    const networks = parseNetConf(
      '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"fd00:244::/48"}',
    );
    {
      using store = bench.open();
      const registry = new EmbeddedRegistry(store, { networks, random: () => 0 });
      const publicIp = parseIp('192.0.2.1');
      if (publicIp === undefined) throw new Error('an address');
      await registry.acquire({ name: 'a', publicIp, backend: { type: 'vxlan', data: { VNI: 1 } } });
    }
    const ran = await bench.run(get, ['no']);
    // The boot clock counts in hundredths of a second: within the first one all 24 hours are left.
    expect({ ...ran, out: ran.out.replace('24h0m', '23h59m') }).toEqual({
      code: 0,
      err: '',
      out: [
        'NAME   PODCIDR                           PUBLIC-IP   BACKEND   LEASE',
        'a      10.244.1.0/24,fd00:244:0:1::/64   192.0.2.1   vxlan     23h59m',
        'b      10.244.9.0/24                     <none>      <none>    <none>',
        '',
      ].join('\n'),
    });
  });

  test('under all their names', async () => {
    using bench = await prepared();
    for (const kind of ['no', 'node', 'nodes', 'Node', 'NODES']) {
      expect((await bench.run(get, [kind, '-o', 'name'])).out).toBe('node/b\n');
    }
    expect((await bench.run(get, ['node/b', '-o=name'])).out).toBe('node/b\n');
    expect((await bench.run(get, ['node', 'b', '--output', 'name'])).out).toBe('node/b\n');
  });
});

describe('other kinds', () => {
  test.each([
    [
      ['svc', '-n', 'shop'],
      'NAME   TYPE        CLUSTER-IP   PORT(S)               AGE',
      'web    ClusterIP   10.96.0.10   80:30080/TCP,53/UDP   ',
    ],
    [['po'], 'NAME    STATUS    IP           NODE   AGE', 'web-0   Running   10.244.9.2   b      '],
    [
      ['eps'],
      'NAME    ADDRESSTYPE   PORTS   ENDPOINTS                             AGE',
      'web-1   IPv4          8080    10.1.0.1,10.1.0.2,10.1.0.3 + 1 more   ',
    ],
    [['netpol'], 'NAME   POD-SELECTOR       AGE', 'deny   app=db,tier=back   '],
    [['svc', '-A'], 'NAMESPACE   NAME   TYPE', 'shop        web    ClusterIP'],
  ])('%j', async (args, head, row) => {
    using bench = await prepared();
    const { code, out } = await bench.run(get, args);
    expect(code).toBe(0);
    const [first, second] = out.split('\n');
    expect(first?.slice(0, head.length)).toBe(head);
    expect(second?.slice(0, row.length)).toBe(row);
  });

  test('several at once', async () => {
    using bench = await prepared();
    expect((await bench.run(get, ['no,po,svc', '-o', 'name', '-A'])).out).toBe(
      'node/b\npod/web-0\nservice/web\n',
    );
    expect((await bench.run(get, ['node/b', 'pod/web-0'])).out).toMatch(/^NAME[\s\S]*\n\nNAME[\s\S]*\n$/);
  });

  test('none of them is said on standard error', async () => {
    using bench = await prepared();
    expect(await bench.run(get, ['ns'])).toEqual({ code: 0, out: '', err: 'there are no namespaces\n' });
  });
});

describe('JSON and YAML', () => {
  test('one object, named, is itself; several are a List', async () => {
    using bench = await prepared();
    const one = JSON.parse((await bench.run(get, ['node/b', '-o', 'json'])).out);
    expect(one).toMatchObject({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'b', resourceVersion: '5' },
    });
    const all = JSON.parse((await bench.run(get, ['nodes', '-o', 'json'])).out);
    expect(all).toEqual({ apiVersion: 'v1', kind: 'List', items: [one] });
    expect(Bun.YAML.parse((await bench.run(get, ['node/b', '-o', 'yaml'])).out)).toEqual(one);
  });

  test('what was exported can be applied to another store', async () => {
    using bench = await prepared();
    using other = new CommandBench();
    const { out } = await bench.run(get, ['no,po,eps,netpol', '-o', 'yaml']);
    expect((await other.run(apply, ['-f', '-'], out)).out).toBe(
      'node/b created\npod/web-0 created\nendpointslice/web-1 created\nnetworkpolicy/deny created\n',
    );
  });
});

describe('errors', () => {
  test.each<[string[], RegExp]>([
    [[], /name a kind: nodes \(no\), pods/],
    [['secrets'], /no kind "secrets"/],
    [['node/'], /not KIND\/NAME/],
    [['node/a/b'], /not KIND\/NAME/],
    [['no,po', 'x'], /names go with one kind/],
    [['no', 'x', '-A'], /--all-namespaces lists/],
    [['no', '-o', 'wide'], /must be table or json or yaml or name/],
    [['no', '--stroe', 'x'], /did you mean --store/],
  ])('%j is called wrongly', async (args, message) => {
    using bench = new CommandBench();
    const ran = await bench.run(get, args);
    expect(ran.err).toMatch(message);
    expect([ran.code, ran.out]).toEqual([2, '']);
  });

  test('what does not exist is named, what does is shown', async () => {
    using bench = await prepared();
    expect(await bench.run(get, ['node', 'b', 'x', '-o', 'name'])).toEqual({
      code: 1,
      out: 'node/b\n',
      err: 'underpod get: node/x does not exist\n',
    });
    expect((await bench.run(get, ['svc/web', '-o', 'json'])).err).toContain(
      'service/web in namespace default',
    );
  });

  test('without a store it says how to get one, and makes none', async () => {
    using bench = new CommandBench();
    const ran = await bench.run(get, ['nodes']);
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/there is no store at .*start the agent, or name one with --store/);
    expect((await bench.run(get, ['nodes'])).code).toBe(1);
  });

  test('a damaged store is left alone', async () => {
    using bench = new CommandBench();
    bench.file('store.db', 'garbage');
    const ran = await bench.run(get, ['nodes']);
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/is damaged .*underpod restore/);
    expect(await Bun.file(bench.store).text()).toBe('garbage');
  });

  test('--help names every flag', async () => {
    using bench = new CommandBench();
    const ran = await bench.run(get, ['--help']);
    expect(ran.code).toBe(0);
    for (const flag of ['--output', '--namespace', '--all-namespaces', '--store'])
      expect(ran.out).toContain(flag);
  });
});
