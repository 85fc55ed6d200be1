import { beforeAll, describe, expect, test } from 'vitest';
import { buildGraph, type Graph, readSources, type Sources } from './modules.ts';
import {
  attachingStaysLean,
  CNI_PROCESSES,
  cniStaysLight,
  importDirection,
  isPure,
  mainIsLazy,
  onlySysCallsTheSystem,
  PURE_EXCEPT,
  pureFilesReachNoIo,
  roomCycles,
} from './rules.ts';

let sources: Sources = new Map();
let graph: Graph = new Map();

beforeAll(async () => {
  sources = await readSources();
  graph = buildGraph(sources);
});

const ALL = 'cni/plugins/processes/all.ts';

/** The repository with a line put before a file's own: what a rule must catch. */
function planted(path: string, line: string): [Graph, Sources] {
  const changed = new Map(sources).set(path, `${line}\n${sources.get(path) ?? ''}`);
  return [buildGraph(changed), changed];
}

describe('the repository', () => {
  test('imports point down only', () => expect(importDirection(graph)).toEqual([]));
  test('no two rooms import each other', () => expect(roomCycles(graph)).toEqual([]));
  test('only shared/sys calls the system', () => expect(onlySysCallsTheSystem(graph, sources)).toEqual([]));
  test('no pure file reaches I/O', () => expect(pureFilesReachNoIo(graph, sources)).toEqual([]));
  test('no CNI type reaches gRPC, the Kubernetes client, another library or node:fs', () => {
    expect([...graph.keys()].filter((path) => CNI_PROCESSES.test(path))).toContain(ALL);
    expect(cniStaysLight(graph, sources)).toEqual([]);
  });
  test('what runs for every pod is loaded without what runs rarely', () =>
    expect(attachingStaysLean(graph)).toEqual([]));
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

  test('direction: a plugin reaches into the DHCP daemon', () => {
    const [bad] = planted('cni/plugins/dhcp/add.ts', "import { a } from '../../dhcp/daemon/daemon.ts'; a();");
    expect(importDirection(bad)).toContainEqual(expect.stringContaining('cni/plugins may not know cni/dhcp'));
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
    expect(onlySysCallsTheSystem(bad, sources)).toEqual([
      'cni/plugins/planted.ts imports bun:ffi: only shared/sys does',
    ]);
    const native = planted('cni/plugins/planted.ts', 'export const { dlopen } = (Bun as any).FFI;');
    expect(onlySysCallsTheSystem(...native)).toEqual([
      'cni/plugins/planted.ts uses Bun.FFI: only shared/sys does',
    ]);
  });

  test('pure: through another file, and through a global', () => {
    const [through, all] = planted(
      'shared/ip/planted.ts',
      "import { readFile } from '../sys/file.ts'; readFile('');",
    );
    expect(pureFilesReachNoIo(through, all)).toContainEqual(
      'shared/ip/planted.ts is to be pure but reaches "Bun as" in shared/sys/syscall.ts',
    );
    const [global, text] = planted('shared/ip/planted.ts', "export const a = await Bun.file('/').text();");
    expect(pureFilesReachNoIo(global, text)).toContainEqual(expect.stringContaining('"Bun."'));
  });

  test('pure: a file anywhere that says so, however it says it', () => {
    for (const comment of ['/** A plan. Pure. */', '/**\n * A plan.\n * Pure, given the time.\n */']) {
      const line = `${comment}\nimport { readFile } from '../../shared/sys/file.ts'; readFile('');`;
      const [bad, all] = planted('cni/plugins/planted.ts', line);
      expect(pureFilesReachNoIo(bad, all)).toContainEqual(expect.stringContaining('cni/plugins/planted.ts'));
    }
    // One function of a file is pure: that claims nothing for the others.
    const [good, all] = planted('commands/planted.ts', "import 'node:fs';\n/** Sums up. Pure. */");
    expect(pureFilesReachNoIo(good, all)).toEqual([]);
  });

  test.each([
    'Date.now()',
    'new Date()',
    'performance.now()',
    'Math.random()',
    'crypto.getRandomValues(new Uint8Array(1))',
    'process.env',
    "process['env']",
    'Bun.nanoseconds()',
    "Bun.which('ip')",
    "fetch('')",
    'setInterval(() => 1, 1)',
  ])('pure: %s', (use) => {
    const [bad, all] = planted('shared/ip/planted.ts', `export const a = ${use};`);
    expect(pureFilesReachNoIo(bad, all)).toHaveLength(1);
  });

  test.each(['new Date(0)', "Bun.CryptoHasher.hash('sha256', '')", '1 // Date.now'])(
    'pure: but not %s',
    (use) => {
      const [good, all] = planted('shared/ip/planted.ts', `export const a = ${use};`);
      expect(pureFilesReachNoIo(good, all)).toEqual([]);
    },
  );

  test('pure: every exception is one still, and for nothing else', () => {
    for (const [path, { uses }] of Object.entries(PURE_EXCEPT)) {
      expect(isPure(path, sources)).toBe(true);
      expect(sources.get(path)).toContain(uses);
      const [bad, all] = planted(
        path,
        `${sources.get(path)?.split('*/')[0]}*/ export const planted = Date.now();`,
      );
      expect(pureFilesReachNoIo(bad, all)).toContainEqual(expect.stringContaining('Date.now'));
    }
  });

  test.each(['@grpc/grpc-js', '@kubernetes/client-node', 'node:fs', '../../shared/kube/client.ts'])(
    'CNI: an await import() of %s',
    (specifier) => {
      const [bad, all] = planted(ALL, `export const later = () => import('${specifier}');`);
      expect(cniStaysLight(bad, all).length).toBeGreaterThan(cniStaysLight(graph, sources).length);
    },
  );

  test('CNI: process.stdout, but not its mention in a comment', () => {
    const [bad, all] = planted(ALL, "process.stdout.write('x');");
    expect(cniStaysLight(bad, all)).toContainEqual(expect.stringContaining('process.stdout'));
    const [good, same] = planted(ALL, '// never process.stdout: it costs 8 ms');
    expect(cniStaysLight(good, same)).toEqual(cniStaysLight(graph, sources));
  });

  test('lean: ADD of a type reaches its GC', () => {
    const [bad] = planted('cni/plugins/bridge/add.ts', "const gc = () => import('./gc.ts');");
    expect(attachingStaysLean(bad)).toContainEqual(
      expect.stringContaining('ADD and DEL would load cni/plugins/bridge/gc.ts'),
    );
  });

  test('main.ts: a static import', () => {
    const [, all] = planted('main.ts', "import { main } from './cni/agent/main.ts';");
    expect(mainIsLazy(all)).toHaveLength(1);
  });
});
