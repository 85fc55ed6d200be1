import { expect, test } from 'vitest';
import { sourcesOf } from '../../scripts/compile.ts';
import { buildGraph, reachable, readSources } from '../graph/modules.ts';

const sources = sourcesOf('main.ts');

test('an executable is built anew when a file that it is made of changes', async () => {
  const graph = reachable(buildGraph(await readSources()), 'main.ts');
  const ours = [...graph.keys()].filter((path) => path.endsWith('.ts')).sort();
  expect(sources.filter((path) => path.endsWith('.ts'))).toEqual(ours);
  expect(sources).toEqual(
    expect.arrayContaining(['cni/agent/main.ts', 'commands/version.ts', 'package.json']),
  );
});

test('but not when a test, a fake or a benchmark does', () => {
  expect(sources.filter((path) => /conformance|fake|testing|\.(test|bench)\.ts$|\/test-/.test(path))).toEqual(
    [],
  );
});
