/** A program's settings, merged from its flags, the environment, its section of the config file, and defaults. Pure. */

import { parseDuration } from './duration.ts';
import { checkValue, type FlagSpec, parseBoolean } from './flags.ts';
import { UsageError } from './usage-error.ts';

export type Source = 'flag' | 'environment' | 'file' | 'default';

export interface SettingSources {
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `FLANNELD_` turns flag `ip-masq` into variable FLANNELD_IP_MASQ. */
  readonly environmentPrefix: string;
  /** The program's section of the config file, as parsed. */
  readonly file: Readonly<Record<string, unknown>>;
  /** How to name that section in an error. */
  readonly fileName: string;
}

/** Settings by flag name. Asking for a name that the program does not declare is a programming error and throws. */
export class Settings {
  readonly #values = new Map<string, { readonly values: readonly string[]; readonly source: Source }>();

  /** Merges. Flags win, then the environment, then the file. @throws UsageError on a value that a setting cannot take */
  constructor(specs: readonly FlagSpec[], sources: SettingSources) {
    for (const spec of specs) {
      this.#values.set(spec.name, resolve(spec, sources));
    }
    const known = new Set(specs.map((spec) => spec.name));
    for (const key in sources.file) {
      if (!known.has(key)) {
        throw new UsageError(
          `${sources.fileName}: unknown key "${key}"; keys are named like the flags (see --help)`,
        );
      }
    }
  }

  string(name: string): string {
    return this.#get(name).values.at(-1) ?? '';
  }

  /** `undefined` for one that is empty or not set. */
  optional(name: string): string | undefined {
    return this.string(name) || undefined;
  }

  boolean(name: string): boolean {
    return parseBoolean(this.string(name)) ?? false;
  }

  integer(name: string): number {
    return Number(this.string(name) || 0);
  }

  /** Milliseconds. */
  duration(name: string): number {
    return parseDuration(this.string(name)) ?? 0;
  }

  /** Every value of a repeatable setting. */
  list(name: string): readonly string[] {
    return this.#get(name).values.filter((value) => value !== '');
  }

  source(name: string): Source {
    return this.#get(name).source;
  }

  #get(name: string): { readonly values: readonly string[]; readonly source: Source } {
    const setting = this.#values.get(name);
    if (!setting) throw new Error(`setting "${name}" is not declared`);
    return setting;
  }
}

/** The variable that stands for a flag: FLANNELD_ and `ip-masq` give FLANNELD_IP_MASQ. */
export function variableName(prefix: string, flag: string): string {
  return prefix + flag.toUpperCase().replaceAll('-', '_');
}

/**
 * What the kubelet tells a container of a Service that happens to be called like us: `flanneld-metrics` gives
 * FLANNELD_METRICS_PORT=tcp://10.96.0.9:9320.
 */
function isServiceLink(spec: FlagSpec, value: string): boolean {
  return spec.kind === 'integer' && /^(tcp|udp|sctp):\/\//.test(value);
}

function resolve(spec: FlagSpec, sources: SettingSources): { values: readonly string[]; source: Source } {
  const flags = sources.flags.get(spec.name);
  if (flags) return { values: flags, source: 'flag' };

  const variable = variableName(sources.environmentPrefix, spec.name);
  const fromEnvironment = sources.environment[variable];
  if (fromEnvironment !== undefined && fromEnvironment !== '' && !isServiceLink(spec, fromEnvironment)) {
    const isSplit = spec.kind === 'list' && !spec.hasCommas;
    const values = isSplit ? fromEnvironment.split(',') : [fromEnvironment];
    for (const value of values) checkValue(spec, value, `environment variable ${variable}`);
    return { values, source: 'environment' };
  }

  const fromFile = sources.file[spec.name];
  if (fromFile !== undefined && fromFile !== null) {
    const where = `${sources.fileName}: ${spec.name}`;
    const items = Array.isArray(fromFile) ? fromFile : [fromFile];
    if (Array.isArray(fromFile) && spec.kind !== 'list')
      throw new UsageError(`${where}: must be one value, not a list`);
    const values = items.map((item: unknown) => {
      if (typeof item === 'object') throw new UsageError(`${where}: must be a plain value`);
      const value = String(item);
      checkValue(spec, value, where);
      return value;
    });
    return { values, source: 'file' };
  }
  return { values: spec.default === undefined ? [] : [spec.default], source: 'default' };
}
