/** The repository's module graph, read from its sources. */

export interface Import {
  /** A path in the repository, or a package's name (`node:fs`, `@grpc/grpc-js`). */
  readonly target: string;
  /** Gone at run time: `import type`. */
  readonly typeOnly: boolean;
}

/** Sources by path, e.g. `cni/plugins/registry.ts`. */
export type Sources = ReadonlyMap<string, string>;
export type Graph = ReadonlyMap<string, readonly Import[]>;

/** Holds lines with imports that it plants elsewhere. */
const PLANTER = 'conformance/graph/graph.test.ts';

/** Every TypeScript file of ours, conformance and tests included, from the working directory. */
export async function readSources(): Promise<Sources> {
  const rooms = '{cni,csi,cri,commands,conformance,scripts,shared}';
  const paths = ['*.ts', `${rooms}/**/*.ts`].flatMap((glob) => [...new Bun.Glob(glob).scanSync('.')]).sort();
  const entries = paths
    .filter((path) => path !== PLANTER)
    .map(async (path): Promise<[string, string]> => [path, await Bun.file(path).text()]);
  return new Map(await Promise.all(entries));
}

export function buildGraph(sources: Sources): Graph {
  return new Map([...sources].map(([path, source]) => [path, importsOf(path, source)]));
}

const transpiler = new Bun.Transpiler({ loader: 'ts' });
const STATEMENT = /\b(?:import|export)\s[^'"`;()]*?\bfrom\s*['"]([^'"\n]+)['"]/g;

/** What a file imports: run-time imports, dynamic ones included, as Bun sees them; the rest are types. */
export function importsOf(path: string, source: string): Import[] {
  const runtime = new Set(transpiler.scanImports(source).map((found) => found.path));
  const stated = [...withoutComments(source).matchAll(STATEMENT)].map((match) => match[1] ?? '');
  return [...new Set([...runtime, ...stated])].map((specifier) => ({
    target: targetOf(path, specifier),
    typeOnly: !runtime.has(specifier),
  }));
}

/**
 * Everything that a file reaches, each with the way there (first and last included).
 *
 * @param typesToo also along imports that are gone at run time
 */
export function reachable(graph: Graph, from: string, typesToo = false): Map<string, string[]> {
  const ways = new Map<string, string[]>([[from, [from]]]);
  for (const [module, way] of ways) {
    for (const { target, typeOnly } of graph.get(module) ?? []) {
      if ((typesToo || !typeOnly) && !ways.has(target)) ways.set(target, [...way, target]);
    }
  }
  return ways;
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

/** A path or a package. `#cni/` is one of the `imports` of package.json. */
function targetOf(path: string, specifier: string): string {
  if (specifier.startsWith('#cni/')) return `cni/plugins/processes/${specifier.slice(5)}.ts`;
  return specifier.startsWith('.') ? resolve(path, specifier) : specifier;
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}
