/** Files of objects: YAML with any number of documents, or JSON. */

import { readFileSync } from 'node:fs';
import { InvalidObjectError, isInvalidObject } from '../../shared/store/errors.ts';
import { KINDS } from '../../shared/store/kinds.ts';
import type { KubeObject } from '../../shared/store/kube-object.ts';
import { validateObject } from '../../shared/store/validate-object.ts';

/** An object and where it came from, for messages. */
export interface Manifest {
  readonly where: string;
  readonly object: KubeObject;
}

/**
 * Reads and checks every object of a file; `List`s are taken apart.
 *
 * @param path `-` for `stdin`
 * @param namespace for namespaced objects that name none
 * @throws InvalidObjectError naming file and document
 */
export async function readManifests(
  path: string,
  namespace: string,
  stdin: () => Promise<string>,
): Promise<Manifest[]> {
  const text = path === '-' ? await stdin() : readFileSync(path, 'utf8');
  const name = path === '-' ? 'standard input' : path;
  const documents = parseDocuments(text, name);
  const objects = documents.flatMap((document, index) => {
    const where = documents.length === 1 ? name : `${name}, document ${index + 1}`;
    return takeApart(document, where);
  });
  return objects.map(({ where, value }) => ({ where, object: check(value, where, namespace) }));
}

function parseDocuments(text: string, name: string): unknown[] {
  let value: unknown;
  try {
    // JSON is YAML too, but its own parser says better what is wrong.
    value = /^\s*[{[]/.test(text) ? parseJsonOrYaml(text) : Bun.YAML.parse(text);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidObjectError(`${name}: ${detail}`);
  }
  // Several documents come as an array, as does a document that is a list; either way it holds objects.
  return (Array.isArray(value) ? value : [value]).filter(
    (document) => document !== null && document !== undefined,
  );
}

function parseJsonOrYaml(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (jsonError) {
    try {
      // `{name: a}` is YAML's flow style, and several JSON documents are divided by `---`.
      return Bun.YAML.parse(text);
    } catch {
      throw jsonError;
    }
  }
}

function takeApart(value: unknown, where: string): { where: string; value: unknown }[] {
  if (!isRecord(value) || typeof value['kind'] !== 'string') return [{ where, value }];
  const { items } = value;
  if (!value['kind'].endsWith('List') || !Array.isArray(items)) return [{ where, value }];
  return items.map((item, index) => ({ where: `${where}, item ${index + 1}`, value: item }));
}

function check(value: unknown, where: string, namespace: string): KubeObject {
  try {
    const { object, info } = validateObject(withNamespace(value, namespace));
    if (!info.applicable) {
      throw new InvalidObjectError(`kind ${info.kind} is written by programs only; remove it from the file`);
    }
    return object;
  } catch (error) {
    if (isInvalidObject(error)) throw new InvalidObjectError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** kubectl's rule: a namespaced object without a namespace goes to the current one. */
function withNamespace(value: unknown, namespace: string): unknown {
  if (!isRecord(value) || !isRecord(value['metadata'])) return value;
  const info = KINDS.find((each) => each.kind === value['kind']);
  if (info?.namespaced !== true || value['metadata']['namespace'] !== undefined) return value;
  return { ...value, metadata: { ...value['metadata'], namespace } };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
