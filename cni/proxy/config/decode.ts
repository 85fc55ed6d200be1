/** The text of a KubeProxyConfiguration, decoded as leniently as kube-proxy does it. Pure. */

import { UsageError } from '../../../shared/config/usage-error.ts';
import { API_VERSION, KIND } from './configuration.ts';
import { type GivenConfiguration, readShape, unknownKeys } from './schema.ts';

export interface Decoded {
  readonly given: GivenConfiguration;
  /** Keys that nobody reads, dotted. */
  readonly unknownKeys: readonly string[];
}

/**
 * Reads YAML or JSON. A key that no release of kube-proxy knows is told, and not an error unless `strict`; a value of the
 * wrong type is one in any case, as it is there.
 *
 * @param name the file, for errors
 * @throws UsageError naming every wrong key and what to write
 */
export function decodeConfiguration(text: string, name: string, strict: boolean): Decoded {
  let document: unknown;
  try {
    document = firstDocument(text);
  } catch (cause) {
    throw new UsageError(`${name} is neither YAML nor JSON`, { cause });
  }
  if (!isMapping(document)) {
    throw new UsageError(
      `${name} must be a ${KIND}: a mapping with apiVersion, kind and what differs from the defaults`,
    );
  }
  const { kind, apiVersion } = document;
  if (kind !== KIND) throw new UsageError(`${name}: kind is ${show(kind)}; write "kind: ${KIND}"`);
  if (apiVersion !== API_VERSION)
    throw new UsageError(`${name}: apiVersion is ${show(apiVersion)}; write "apiVersion: ${API_VERSION}"`);
  const shape = readShape(document);
  if ('problems' in shape) throw new UsageError(`${name}: ${shape.problems.join('; ')}`);
  const unknown = unknownKeys(document);
  if (strict && unknown.length > 0) {
    throw new UsageError(
      `${name}: unknown ${unknown.length > 1 ? 'keys' : 'key'} ${unknown.join(', ')}; ` +
        'remove it, or leave --strict-config out to have it passed over',
    );
  }
  return { given: shape.given, unknownKeys: unknown };
}

/** As Go's parser: what follows a second `---` is not read. */
function firstDocument(text: string): unknown {
  const parsed = Bun.YAML.parse(text);
  if (!Array.isArray(parsed) || !/^---(?:\s|$)/m.test(text)) return parsed;
  return parsed.find((one) => one !== null);
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
