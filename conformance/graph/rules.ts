/** What may import what. Each rule returns its violations as sentences; none is good. */
import { type Graph, reachable, type Sources } from './modules.ts';

/** The room a file belongs to: the unit between which imports point down only. */
export function roomOf(path: string): string {
  const [top = '', second = ''] = path.split('/');
  if (path === 'main.ts') return 'main';
  return ['shared', 'cni', 'csi', 'cri', 'conformance'].includes(top) ? `${top}/${second}` : top;
}

/** Tests, and the suites that several tests share, may import anything. */
export function isTest(path: string): boolean {
  return /\.(test|bench)\.ts$|[/-]contract\.ts$|\/(contract|testing)\/|^conformance\/|\.config\.ts$/.test(
    path,
  );
}

/** Which rooms a room may import, besides itself. A room that is not listed may import every shared/ room. */
const ARROWS: Readonly<Record<string, RegExp>> = {
  main: /^(commands|(cni|csi|cri|shared)\/.*)$/,
  commands: /^(cni|csi|cri|shared)\//,
  scripts: /^$/,
  'cni/plugins': /^(cni\/protocol|shared\/(config|ip|netlink|nftables|sys))$/,
  'cni/runtime': /^(cni\/protocol|shared\/.*)$/,
  'cni/dhcp': /^(cni\/protocol|shared\/.*)$/,
  'cni/protocol': /^shared\/ip$/,
  'cni/agent': /^shared\//,
  'csi/main.ts': /^csi\//,
  'csi/local': /^(csi\/driver|shared\/.*)$/,
  'csi/nfs': /^(csi\/driver|shared\/.*)$/,
  'shared/ip': /^$/,
  'shared/sys': /^shared\/ip$/,
  'shared/netlink': /^shared\/(ip|sys)$/,
  'shared/nftables': /^shared\/(ip|netlink|sys)$/,
  'shared/log': /^shared\/sys$/,
};

export function importDirection(graph: Graph): string[] {
  const found: string[] = [];
  for (const [path, imports] of graph) {
    if (isTest(path)) continue;
    const from = roomOf(path);
    const allowed = ARROWS[from] ?? /^shared\//;
    for (const { target } of imports) {
      const to = roomOf(target);
      if (!isOurs(target) || to === from) continue;
      if (!allowed.test(to)) found.push(`${path} imports ${target}: ${from} may not know ${to}`);
    }
  }
  return found;
}

/** Rooms that import each other, types included: neither could be read, tested or replaced alone. */
export function roomCycles(graph: Graph): string[] {
  const rooms = new Map<string, Set<string>>();
  for (const [path, imports] of graph) {
    if (isTest(path)) continue;
    const targets = imports.filter(({ target }) => isOurs(target)).map(({ target }) => roomOf(target));
    const known = rooms.get(roomOf(path)) ?? new Set();
    rooms.set(roomOf(path), new Set([...known, ...targets.filter((room) => room !== roomOf(path))]));
  }
  const asGraph: Graph = new Map(
    [...rooms].map(([room, to]) => [room, [...to].map((target) => ({ target, typeOnly: false }))]),
  );
  const found: string[] = [];
  for (const [room, to] of rooms) {
    for (const next of to) {
      const way = reachable(asGraph, next).get(room);
      if (way && room < next) found.push([room, ...way].join(' → '));
    }
  }
  return found;
}

/** By bun:ffi, or by the object that it is made of. */
export function onlySysCallsTheSystem(graph: Graph, sources: Sources): string[] {
  const importing = importers(graph, 'bun:ffi').map(
    (path) => `${path} imports bun:ffi: only shared/sys does`,
  );
  const using = [...sources]
    .filter(([path, source]) => !isTest(path) && /\bBun\b[^;]*\.FFI\b/.test(code(source)))
    .map(([path]) => `${path} uses Bun.FFI: only shared/sys does`);
  return [...importing, ...using].filter((line) => roomOf(line.split(' ')[0] ?? '') !== 'shared/sys');
}

/** Files without I/O, so that they are tested with plain values and run anywhere. */
export const PURE: readonly RegExp[] = [
  /^cni\/protocol\//,
  /^cni\/dhcp\/(client|codec)\//,
  /^shared\/ip\//,
  /^shared\/netlink\/(codec|requests)\//,
  /^shared\/nftables\/(build|codec|model)\//,
  /^shared\/nftables\/transaction\.ts$/,
  /^shared\/config\/(?!file\.ts)/,
  /^cni\/agent\/(backends|network)\//,
  /^cni\/agent\/rules\/plan/,
];

/** True for a file of a pure folder, and for one anywhere that begins with a comment which says `Pure`. */
export function isPure(path: string, sources: Sources): boolean {
  if (/\.test\.ts$/.test(path)) return false;
  const claim = /^\/\*\*(?:(?!\*\/)[\s\S])*?\bPure\b/.test(sources.get(path) ?? '');
  return claim || (!isTest(path) && PURE.some((pattern) => pattern.test(path)));
}

/** Modules of the platform that do no I/O. */
const HARMLESS = /^node:(assert|path|url|util)$/;

/** What else makes an answer depend on more than the arguments: the process, the clock, chance. */
const IO_GLOBALS = new RegExp(
  [
    // All of Bun but what computes: hashes, and YAML, which Bun alone brings along.
    /\bBun(\.(?!CryptoHasher\b|hash\b|YAML\b)| as\b)/,
    /\b(process|console|performance|navigator|globalThis)\b[.[]/,
    /\b(fetch|setTimeout|setInterval|setImmediate)\(/,
    /\bDate\.now\b/,
    /\bnew Date(\(\)|(?!\())/,
    /\bMath\.random\b/,
    /\bcrypto\.(getRandomValues|randomUUID)\b/,
    /\bnew (WebSocket|Worker|EventSource|XMLHttpRequest)\b/,
  ]
    .map(({ source }) => source)
    .join('|'),
);

/** What a pure file may use all the same: one thing a file, with the reason. */
export const PURE_EXCEPT: Readonly<Record<string, { readonly uses: string; readonly because: string }>> = {
  'cni/agent/backends/vxlan-data.ts': {
    uses: 'crypto.getRandomValues',
    because: 'gives new devices their address; nothing else in the file depends on it',
  },
  'cni/agent/report.ts': {
    uses: 'process.pid',
    because: 'stays the same while the process lives',
  },
  'shared/store/subnet-allocator.ts': {
    uses: 'Math.random',
    because: "production's generator; the allocator takes one as an argument",
  },
};

export function pureFilesReachNoIo(graph: Graph, sources: Sources): string[] {
  const found: string[] = [];
  for (const path of graph.keys()) {
    if (!isPure(path, sources)) continue;
    for (const [target, way] of reachable(graph, path)) {
      if (/^(node:|bun$|bun:)/.test(target) && !HARMLESS.test(target)) {
        found.push(`${path} is to be pure but reaches ${target}: ${way.join(' → ')}`);
      }
      const excepted = PURE_EXCEPT[target]?.uses ?? '';
      const text = code(sources.get(target));
      const global = IO_GLOBALS.exec(excepted === '' ? text : text.replaceAll(excepted, ''))?.[0];
      if (global !== undefined) found.push(`${path} is to be pure but reaches "${global}" in ${target}`);
    }
  }
  return found;
}

/** Where a CNI call's code begins: one file a process. What it reaches is loaded within its few milliseconds. */
export const CNI_PROCESSES: RegExp = /^cni\/plugins\/processes\//;
const CNI_ROOMS = /^(cni\/(plugins|protocol)|shared\/(config|ip|netlink|nftables|sys))$/;
const SLOW_GLOBALS = /\b(process\.std(out|in|err)|console\.)/;

/**
 * No CNI type reaches gRPC, the Kubernetes client or any other library, nor node:fs and its like, now or through an
 * `await import()` later.
 */
export function cniStaysLight(graph: Graph, sources: Sources): string[] {
  const found = new Set<string>();
  for (const entry of processesOf(graph)) {
    for (const [target, way] of reachable(graph, entry)) {
      const heavy = isOurs(target) ? !CNI_ROOMS.test(roomOf(target)) : target !== 'bun:ffi';
      if (heavy) found.add(`a CNI call would load ${target}: ${way.slice(1).join(' → ')}`);
      const global = SLOW_GLOBALS.exec(code(sources.get(target)))?.[0];
      if (global !== undefined) found.add(`a CNI call would pay for "${global}" in ${target}`);
    }
  }
  return [...found];
}

/** What runs for every pod is loaded without what runs rarely: CHECK, GC and STATUS are of the process `all`. */
export function attachingStaysLean(graph: Graph): string[] {
  const found: string[] = [];
  for (const entry of processesOf(graph)) {
    if (entry.endsWith('/all.ts')) continue;
    for (const [target, way] of reachable(graph, entry)) {
      if (/^cni\/plugins\/[^/]+\/(check|gc|status|delegate)\.ts$/.test(target))
        if (!target.startsWith('cni/plugins/common/'))
          found.push(`ADD and DEL would load ${target}: ${way.join(' → ')}`);
    }
  }
  return found;
}

function processesOf(graph: Graph): string[] {
  return [...graph.keys()].filter((path) => CNI_PROCESSES.test(path) && !isTest(path));
}

/** `main.ts` imports nothing until it knows which program it is. */
export function mainIsLazy(sources: Sources): string[] {
  const main = code(sources.get('main.ts'));
  return [...main.matchAll(/^import\s(?!type\b).*$/gm)].map((match) => `main.ts, not lazily: ${match[0]}`);
}

function importers(graph: Graph, module: string): string[] {
  return [...graph].filter(([, all]) => all.some(({ target }) => target === module)).map(([path]) => path);
}

function isOurs(target: string): boolean {
  return target.endsWith('.ts');
}

/** A source without its comments, where names of things that it avoids may well stand. */
function code(source = ''): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
}
