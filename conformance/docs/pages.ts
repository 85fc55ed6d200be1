/** The pages of the plugin types (docs/plugins) and what can be checked of them. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Json } from '../cni/fresh-node.ts';

const root = resolve(import.meta.dirname, '../..');

/** An example of a page: its configuration, and command lines that make what it needs. */
export interface Example {
  readonly page: string;
  /** From 1, within the page. */
  readonly number: number;
  readonly needs: readonly string[];
  readonly source: Json;
}

/** The text of a type's page; undefined without one. */
export function pageOf(type: string): string | undefined {
  const path = join(root, 'docs/plugins', `${type}.md`);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** Names of all pages, without `.md`. */
export function pages(): string[] {
  return readdirSync(join(root, 'docs/plugins'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => name.slice(0, -'.md'.length))
    .sort();
}

/**
 * The blocks fenced as `json cni` of a text. The comments `needs` (each of one line or more) since the block before
 * belong to it. @throws SyntaxError for a block that is no JSON
 */
export function examplesIn(page: string, text: string): Example[] {
  const examples: Example[] = [];
  let needs: string[] = [];
  for (const [, comment, block] of text.matchAll(
    /<!--\s*needs:([\s\S]*?)-->|^```json cni\n([\s\S]*?)^```$/gm,
  )) {
    if (comment !== undefined) {
      needs.push(
        ...comment
          .split('\n')
          .map((line) => line.trim())
          .filter((line) => line !== ''),
      );
      continue;
    }
    const source = JSON.parse(block ?? '') as Json;
    examples.push({ page, number: examples.length + 1, needs, source });
    needs = [];
  }
  return examples;
}

/** Keys of the specification, which every type has: a page need not explain them. */
const common = new Set([
  'cniVersion',
  'name',
  'type',
  'ipam',
  'runtimeConfig',
  'args',
  'cni',
  'prevResult',
  'dns',
]);

/** The configuration keys that a type's code reads, as far as its config files spell them `x['key']`. */
export function keysRead(type: string): string[] {
  const directory = join(root, 'cni/plugins', type);
  if (!existsSync(directory)) return [];
  const keys = new Set<string>();
  for (const name of readdirSync(directory)) {
    if (!/(^|-)config\.ts$/.test(name)) continue;
    const source = readFileSync(join(directory, name), 'utf8');
    // A capital before it begins the name of a type: `PortmapConfig['conditions']`.
    for (const [, key = ''] of source.matchAll(/(?:\b[a-z]\w*|[)\]])(?:\?\.)?\['([A-Za-z]\w*)'\]/g))
      keys.add(key);
    for (const [, key = ''] of source.matchAll(/\bread[A-Z]\w*\(raw, '([A-Za-z]\w*)'\)/g)) keys.add(key);
  }
  return [...keys].filter((key) => !common.has(key)).sort();
}

/** Everything that a page writes as code: in tables, text and blocks. */
export function mentions(text: string, key: string): boolean {
  return new RegExp(`\`[^\`\\n]*\\b${key}\\b[^\`\\n]*\`|"${key}"`).test(text);
}
