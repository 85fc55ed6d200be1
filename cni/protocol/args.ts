import { invalidEnvironment } from './error.ts';

/** CNI_ARGS: `KEY=value` pairs separated by semicolons. */
export interface CniArgs {
  /** As given, to hand on to delegates. */
  readonly text: string;
  /** In the order given; a key may occur twice, the last one counts. */
  readonly pairs: readonly (readonly [key: string, value: string])[];
  /** The pair IgnoreUnknown: keys that a plugin does not know are no error. */
  readonly ignoreUnknown: boolean;
}

/** Keys that are known to every plugin: CRI runtimes tell by them which pod an attachment belongs to. */
const commonKeys = [
  'IgnoreUnknown',
  'K8S_POD_NAMESPACE',
  'K8S_POD_NAME',
  'K8S_POD_UID',
  'K8S_POD_INFRA_CONTAINER_ID',
];

/** Parses CNI_ARGS; '' has no pairs. Throws code 4 for a pair without `=` or a bad IgnoreUnknown. */
export function parseArgs(text: string): CniArgs {
  const pairs: (readonly [string, string])[] = [];
  for (const pair of text.split(';')) {
    if (pair !== '') pairs.push(parsePair(pair));
  }
  return { text, pairs, ignoreUnknown: parseBoolean(argValue({ pairs }, 'IgnoreUnknown') ?? '0') };
}

/** The value of `key`, or undefined. Keys are case-sensitive. */
export function argValue(args: Pick<CniArgs, 'pairs'>, key: string): string | undefined {
  for (let index = args.pairs.length - 1; index >= 0; index--) {
    const pair = args.pairs[index];
    if (pair?.[0] === key) return pair[1];
  }
  return undefined;
}

/**
 * For plugins that read CNI_ARGS: throws code 4 naming the keys that are neither in `known` nor common to all,
 * unless IgnoreUnknown is set.
 */
export function requireKnownArgs(args: CniArgs, known: readonly string[]): void {
  if (args.ignoreUnknown) return;
  const unknown = args.pairs
    .map(([key]) => key)
    .filter((key) => !known.includes(key) && !commonKeys.includes(key));
  if (unknown.length === 0) return;
  throw invalidEnvironment(`CNI_ARGS has unknown keys: ${unknown.join(', ')}`, {
    details: 'remove them, or add IgnoreUnknown=1 to CNI_ARGS',
  });
}

function parsePair(pair: string): readonly [string, string] {
  const equals = pair.indexOf('=');
  if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)];
  throw invalidEnvironment(
    `CNI_ARGS has the pair ${JSON.stringify(pair.slice(0, 256))}: it must be KEY=value`,
  );
}

function parseBoolean(text: string): boolean {
  const lower = text.toLowerCase();
  if (lower === '1' || lower === 'true') return true;
  if (lower === '0' || lower === 'false') return false;
  const found = JSON.stringify(text.slice(0, 64));
  throw invalidEnvironment(`CNI_ARGS has IgnoreUnknown=${found}: it must be 1, true, 0 or false`);
}
