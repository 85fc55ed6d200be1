import { describe, expect, test } from 'vitest';
import { parseNetConf } from '../shared/config/net-conf.ts';
import { EmbeddedRegistry } from '../shared/store/embedded/registry.ts';
import { main as apply } from './apply.ts';
import { main as get } from './get.ts';
import { CommandBench } from './store/testing.ts';

const node = (name: string, podCIDR: string): string =>
  `{apiVersion: v1, kind: Node, metadata: {name: ${name}}, spec: {podCIDR: ${podCIDR}}}`;

async function fields(bench: CommandBench, target: string): Promise<Record<string, unknown>> {
  const { out, err } = await bench.run(get, [target, '-o', 'json']);
  expect(err).toBe('');
  return JSON.parse(out) as Record<string, unknown>;
}

describe('apply', () => {
  test('creates, configures, and leaves alone what has not changed', async () => {
    using bench = new CommandBench();
    const web = (port: number): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { clusterIP: '10.96.0.10', ports: [{ port }] },
      });
    expect(await bench.run(apply, ['-f', '-'], web(80))).toEqual({
      code: 0,
      out: 'service/web created\n',
      err: '',
    });
    expect((await bench.run(apply, ['-f', '-'], web(80))).out).toBe('service/web unchanged\n');
    expect((await bench.run(apply, ['-f', '-'], web(81))).out).toBe('service/web configured\n');
    expect(await fields(bench, 'svc/web')).toMatchObject({ metadata: { resourceVersion: '2' } });
  });

  test('takes several files, documents and lists, and a namespace for those without one', async () => {
    using bench = new CommandBench();
    const one = bench.file(
      'one.yaml',
      `---\n# empty\n---\n${node('a', '10.0.1.0/24')}\n---\n${node('b', '10.0.2.0/24')}\n`,
    );
    const two = bench.file(
      'two.json',
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' } }],
      }),
    );
    expect((await bench.run(apply, ['-f', one, '-f', two, '-n', 'shop'])).out).toBe(
      'node/a created\nnode/b created\npod/p created\n',
    );
    expect((await bench.run(get, ['po', '-n', 'shop', '-o', 'name'])).out).toBe('pod/p\n');
  });

  test('removes what the file said before and says no more, and keeps what others wrote', async () => {
    using bench = new CommandBench();
    const service = (metadata: string, spec: string): string =>
      `{apiVersion: v1, kind: Service, metadata: {name: web, ${metadata}}, spec: ${spec}}`;
    await bench.run(
      apply,
      ['-f', '-'],
      service(
        'labels: {a: "1", b: "2"}',
        '{type: NodePort, clusterIP: 10.96.0.10, ports: [{port: 1, nodePort: 30001}]}',
      ),
    );
    {
      using store = bench.open();
      const key = { kind: 'Service', namespace: 'default', name: 'web' };
      const object = store.get(key);
      if (object === undefined) throw new Error('it was applied');
      store.put({
        ...object,
        status: { ready: true },
        metadata: { ...object.metadata, labels: { a: '1', b: '2', c: '3' } },
      });
    }
    expect(
      (
        await bench.run(
          apply,
          ['-f', '-'],
          service('labels: {a: "1"}', '{clusterIP: 10.96.0.10, ports: [{port: 2}]}'),
        )
      ).out,
    ).toBe('service/web configured\n');
    expect(await fields(bench, 'svc/web')).toMatchObject({
      spec: { ports: [{ port: 2 }] },
      status: { ready: true },
    });
    const { metadata, spec } = (await fields(bench, 'svc/web')) as {
      metadata: { labels: object };
      spec: object;
    };
    expect(metadata.labels).toEqual({ a: '1', c: '3' });
    expect(spec).not.toHaveProperty('type');
  });

  test('an exported file is refused once the object has changed, and harmless until then', async () => {
    using bench = new CommandBench();
    await bench.run(apply, ['-f', '-'], node('a', '10.0.1.0/24'));
    const { out: exported } = await bench.run(get, ['node/a', '-o', 'yaml']);
    expect((await bench.run(apply, ['-f', '-'], exported)).out).toMatch(/node\/a (unchanged|configured)/);
    await bench.run(
      apply,
      ['-f', '-'],
      `{apiVersion: v1, kind: Node, metadata: {name: a, labels: {x: "1"}}}`,
    );
    const stale = exported.replace('10.0.1.0', '10.0.3.0');
    const ran = await bench.run(apply, ['-f', '-'], stale);
    expect([ran.code, ran.out]).toEqual([1, '']);
    expect(ran.err).toMatch(
      /standard input: node\/a was changed since this file was exported.*remove metadata.resourceVersion/,
    );
  });
});

describe('apply and nodes', () => {
  test('a label on a living node leaves its subnet, its data and its lease', async () => {
    using bench = new CommandBench();
    const networks = parseNetConf('{"Network":"10.244.0.0/16"}');
    {
      using store = bench.open();
      await new EmbeddedRegistry(store, { networks, random: () => 0 }).acquire({
        name: 'a',
        backend: { type: 'vxlan', data: { VNI: 1 } },
      });
    }
    await bench.run(
      apply,
      ['-f', '-'],
      '{apiVersion: v1, kind: Node, metadata: {name: a, labels: {rack: "7"}}}',
    );
    expect(await fields(bench, 'node/a')).toMatchObject({
      metadata: {
        labels: { rack: '7' },
        annotations: { 'flannel.alpha.coreos.com/backend-data': '{"VNI":1}' },
      },
      spec: { podCIDR: '10.244.1.0/24' },
    });
    const moved = await bench.run(
      apply,
      ['-f', '-'],
      `
      {apiVersion: v1, kind: Node, metadata: {name: a}, spec: {podCIDR: 10.244.5.0/24, podCIDRs: [10.244.5.0/24]}}`,
    );
    expect(moved.code).toBe(1);
    expect(moved.err).toMatch(/node\/a is alive and has 10.244.1.0\/24.*underpod delete node\/a/);
  });

  test('a subnet that overlaps another node is refused, and with it everything in the call', async () => {
    using bench = new CommandBench();
    await bench.run(apply, ['-f', '-'], node('a', '10.0.1.0/24'));
    const ran = await bench.run(
      apply,
      ['-f', '-'],
      `${node('b', '10.0.2.0/24')}\n---\n${node('c', '10.0.0.0/16')}\n`,
    );
    expect([ran.code, ran.out]).toEqual([1, '']);
    expect(ran.err).toContain('document 2: podCIDR 10.0.0.0/16 of node/c overlaps 10.0.1.0/24 of node/a');
    expect((await bench.run(get, ['no', '-o', 'name'])).out).toBe('node/a\n');
  });
});

describe('errors', () => {
  test.each<[string, number, RegExp]>([
    ['', 2, /there is no object in -/],
    ['a: [', 1, /standard input: YAML/],
    ['{"a": 1,}}', 1, /standard input: JSON/],
    [
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}',
      1,
      /kind Secret is not kept here; known kinds are Node, Pod/,
    ],
    [
      'kind: Lease\napiVersion: coordination.k8s.io/v1\nmetadata: {name: a}',
      1,
      /kind Lease is written by programs only/,
    ],
    [
      'apiVersion: v1\nkind: Node\nmetadata: {name: a, labels: {x: 1}}',
      1,
      /metadata.labels.x = 1; put it in quotes/,
    ],
    ['apiVersion: apps/v1\nkind: Pod\nmetadata: {name: a}', 1, /Pod has apiVersion "apps\/v1"; use v1/],
    ['just text', 1, /must be a mapping/],
    [node('a', '10.0.0.1/24'), 1, /with host bits; write 10.0.0.0\/24/],
  ])('%j', async (text, code, message) => {
    using bench = new CommandBench();
    const ran = await bench.run(apply, ['-f', '-'], text);
    expect(ran.err).toMatch(message);
    expect([ran.code, ran.out]).toEqual([code, '']);
  });

  test('arguments', async () => {
    using bench = new CommandBench();
    expect((await bench.run(apply, [])).err).toContain('underpod apply -f FILE');
    expect((await bench.run(apply, ['x.yaml'])).err).toContain('files are given by -f');
    const missing = await bench.run(apply, ['-f', '/no/such/file']);
    expect([missing.code, missing.err.includes('/no/such/file')]).toEqual([1, true]);
  });

  test('what is wrong inside an object is told with its place and what to write, and nothing is written', async () => {
    using bench = new CommandBench();
    const good = '{apiVersion: v1, kind: Pod, metadata: {name: p}}';
    const bad = '{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}';
    const ran = await bench.run(apply, ['-f', '-'], `${good}\n---\n${bad}`);
    expect([ran.code, ran.out]).toEqual([1, '']);
    expect(ran.err).toMatch(/standard input.*: Service web has no spec\.clusterIP; write one, such as/);
    expect((await bench.run(get, ['po', '-o', 'name'])).out).toBe('');
  });
});
