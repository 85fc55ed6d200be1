/**
 * Command-line flags as Go's flag package reads them, because manifests written for flanneld must keep working:
 * `-name` and `--name`, `=value` or the next argument, booleans without a value or with `=false`. (node:util's
 * parseArgs knows neither single-dash names nor `--flag=false`.) Pure.
 */

import { parseDuration } from './duration.ts';
import { UsageError } from './usage-error.ts';

export type FlagKind = 'string' | 'boolean' | 'integer' | 'duration' | 'list';

/** One flag of a program: also a key of its section in the config file and a variable of the environment. */
export interface FlagSpec {
  readonly name: string;
  readonly kind: FlagKind;
  /** As it would be written on the command line; absent: empty, false, 0. */
  readonly default?: string;
  /** What to print for the value in the help, `IP` for instance. */
  readonly value?: string;
  readonly help: string;
  /** Of a list: its values may hold commas, so that a variable of the environment has one. */
  readonly hasCommas?: true;
  /** The values that are accepted, where they are few. */
  readonly choices?: readonly string[];
}

export interface ParsedArguments {
  /** Values in their order of appearance, by flag name. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
  readonly help: boolean;
}

/** Splits arguments into flags and the rest. @throws UsageError on an unknown flag or a missing value */
export function parseArguments(args: readonly string[], specs: readonly FlagSpec[]): ParsedArguments {
  const known = new Map(specs.map((spec) => [spec.name, spec]));
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  let help = false;
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? '';
    if (argument === '--') {
      rest.push(...args.slice(index + 1));
      break;
    }
    const match = /^--?([^=-][^=]*)(?:=([\s\S]*))?$/.exec(argument);
    if (!match) {
      rest.push(argument);
      continue;
    }
    const name = match[1] ?? '';
    if (name === 'help' || name === 'h') {
      help = true;
      continue;
    }
    const spec = known.get(name);
    if (!spec)
      throw new UsageError(`unknown flag --${name}${suggestion(name, known.keys())}; --help lists all flags`);
    let value = match[2];
    if (value === undefined && spec.kind === 'boolean') value = 'true';
    if (value === undefined) {
      index++;
      value = args[index];
      if (value === undefined)
        throw new UsageError(`flag --${name} needs a value: --${name}=${placeholder(spec)}`);
    }
    checkValue(spec, value, `flag --${name}`);
    const list = values.get(name);
    if (list) list.push(value);
    else values.set(name, [value]);
  }
  return { values, rest, help };
}

/** Go's spellings of a boolean (strconv.ParseBool). */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}

/** Throws a UsageError that begins with `where` unless `value` is one that `spec` takes. */
export function checkValue(spec: FlagSpec, value: string, where: string): void {
  const wrong = (expected: string): UsageError => new UsageError(`${where}: ${expected}, not "${value}"`);
  if (spec.choices && !spec.choices.includes(value)) throw wrong(`must be ${spec.choices.join(' or ')}`);
  if (spec.kind === 'boolean' && parseBoolean(value) === undefined) throw wrong('must be true or false');
  if (spec.kind === 'integer' && !/^-?\d{1,15}$/.test(value)) throw wrong('must be a whole number');
  if (spec.kind === 'duration' && parseDuration(value) === undefined) {
    throw wrong('must be a duration such as 24h, 90s or 500ms');
  }
}

/** The flags with their defaults, one or two lines each, in the order given. */
export function formatFlags(specs: readonly FlagSpec[]): string {
  return specs
    .map((spec) => {
      const head = spec.kind === 'boolean' ? `--${spec.name}` : `--${spec.name}=${placeholder(spec)}`;
      const initial = spec.default === undefined || spec.default === '' ? '' : ` (default ${spec.default})`;
      const left = `  ${head}`;
      const gap = left.length > 34 ? `\n${' '.repeat(36)}` : ' '.repeat(36 - left.length);
      return `${left}${gap}${spec.help}${initial}`;
    })
    .join('\n');
}

function placeholder(spec: FlagSpec): string {
  return (
    spec.value ??
    spec.choices?.join('|') ??
    { string: 'TEXT', boolean: 'true', integer: 'N', duration: '1h', list: 'TEXT' }[spec.kind]
  );
}

function suggestion(name: string, known: Iterable<string>): string {
  for (const candidate of known) {
    if (distance(name, candidate) <= 2) return ` (did you mean --${candidate}?)`;
  }
  return '';
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
