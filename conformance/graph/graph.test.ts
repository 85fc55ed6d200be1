import { beforeAll, describe, expect, test } from 'vitest';
import { buildGraph, type Graph, readSources, type Sources } from './modules.ts';
import {
  CNI_ENTRY,
  cniStaysLight,
  importDirection,
  mainIsLazy,
  onlySysCallsTheSystem,
  pureFilesReachNoIo,
  roomCycles,
} from './rules.ts';

let sources: Sources = new Map();
let graph: Graph = new Map();

beforeAll(async () => {
  sources = await readSources();
  graph = buildGraph(sources);
});

/** The repository with a line put before a file's own: what a rule must catch. */
function planted(path: string, line: string): [Graph, Sources] {
  const changed = new Map(sources).set(path, `${line}\n${sources.get(path) ?? ''}`);
  return [buildGraph(changed), changed];
}

describe('the repository', () => {
  test('imports point down only', () => expect(importDirection(graph)).toEqual([]));
  test('no two rooms import each other', () => expect(roomCycles(graph)).toEqual([]));
  test('only shared/sys imports bun:ffi', () => expect(onlySysCallsTheSystem(graph)).toEqual([]));
  test('no pure file reaches I/O', () => expect(pureFilesReachNoIo(graph, sources)).toEqual([]));
  test('no CNI type reaches gRPC, the Kubernetes client, another library or node:fs', () => {
    expect(graph.has(CNI_ENTRY)).toBe(true);
    expect(cniStaysLight(graph, sources)).toEqual([]);
  });
  test('main.ts loads nothing before it knows which program it is', () =>
    expect(mainIsLazy(sources)).toEqual([]));
  test('every import of a file of ours leads to a file', () => {
    const missing = [...graph].flatMap(([path, imports]) =>
      imports
        .filter(({ target }) => target.endsWith('.ts') && !graph.has(target))
        .map(({ target }) => `${path} imports ${target}`),
    );
    expect(missing).toEqual([]);
  });
});

describe('each rule can fail', () => {
  test('direction: shared/ reaches up to a program', () => {
    const [bad] = planted('shared/netlink/planted.ts', "import { a } from '../../cni/agent/main.ts'; a();");
    expect(importDirection(bad)).toContainEqual(
      expect.stringContaining('shared/netlink may not know cni/agent'),
    );
  });

  test('direction: a type counts, a test does not', () => {
    const line = "import type { A } from '../runtime/main.ts'; export type B = A;";
    expect(importDirection(planted('cni/agent/planted.ts', line)[0])).toHaveLength(
      importDirection(graph).length + 1,
    );
    expect(importDirection(planted('cni/agent/planted.test.ts', line)[0])).toEqual(importDirection(graph));
  });

  test('direction: production code imports conformance/', () => {
    const [bad] = planted('commands/planted.ts', "export * from '../conformance/graph/rules.ts';");
    expect(importDirection(bad)).toContainEqual(expect.stringContaining('may not know conformance/graph'));
  });

  test('cycles: sys and netlink import each other', () => {
    const changed = new Map(sources)
      .set('shared/sys/planted.ts', "import type { A } from '../netlink/planted.ts'; export type B = A;")
      .set('shared/netlink/planted.ts', "import type { B } from '../sys/planted.ts'; export type A = B;");
    expect(roomCycles(buildGraph(changed))).toContainEqual(
      expect.stringContaining('shared/netlink → shared/sys'),
    );
  });

  test('ffi: a plugin calls the system itself', () => {
    const [bad] = planted(
      'cni/plugins/planted.ts',
      "import { dlopen } from 'bun:ffi'; dlopen('libc.so.6', {});",
    );
    expect(onlySysCallsTheSystem(bad)).toEqual([
      'cni/plugins/planted.ts imports bun:ffi: only shared/sys does',
    ]);
  });

  test('pure: through another file, and through a global', () => {
    const [through, all] = planted(
      'shared/ip/planted.ts',
      "import { readFile } from '../sys/file.ts'; readFile('');",
    );
    expect(pureFilesReachNoIo(through, all)).toContainEqual(
      expect.stringContaining('shared/ip/planted.ts → shared/sys/file.ts'),
    );
    const [global, text] = planted('shared/ip/planted.ts', "export const a = await Bun.file('/').text();");
    expect(pureFilesReachNoIo(global, text)).toContainEqual(expect.stringContaining('"Bun."'));
  });

  test.each(['@grpc/grpc-js', '@kubernetes/client-node', 'node:fs', '../../shared/kube/client.ts'])(
    'CNI: an await import() of %s',
    (specifier) => {
      const [bad, all] = planted(CNI_ENTRY, `export const later = () => import('${specifier}');`);
      expect(cniStaysLight(bad, all).length).toBeGreaterThan(cniStaysLight(graph, sources).length);
    },
  );

  test('CNI: process.stdout, but not its mention in a comment', () => {
    const [bad, all] = planted(CNI_ENTRY, "process.stdout.write('x');");
    expect(cniStaysLight(bad, all)).toContainEqual(expect.stringContaining('process.stdout'));
    const [good, same] = planted(CNI_ENTRY, '// never process.stdout: it costs 8 ms');
    expect(cniStaysLight(good, same)).toEqual(cniStaysLight(graph, sources));
  });

  test('main.ts: a static import', () => {
    const [, all] = planted('main.ts', "import { main } from './cni/agent/main.ts';");
    expect(mainIsLazy(all)).toHaveLength(1);
  });
});
