/** The proxy's options from its arguments, the node's YAML file and the configuration file. */

import { readConfigSection } from '../../../shared/config/file.ts';
import type { ParsedArguments } from '../../../shared/config/flags.ts';
import { Settings } from '../../../shared/config/settings.ts';
import { UsageError } from '../../../shared/config/usage-error.ts';
import { readText } from '../../../shared/sys/file.ts';
import { withDefaults } from './configuration.ts';
import { decodeConfiguration } from './decode.ts';
import { PROXY_FLAGS } from './flags.ts';
import { type ProxyOptions, proxyOptions } from './options.ts';

export interface Loaded {
  readonly options: ProxyOptions;
  readonly settings: Settings;
  /** The file of `--config`, whose changes count, and what was read of it. */
  readonly file?: { readonly path: string; readonly text: string };
}

export interface LoadContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly hostName: string;
  /** The section "proxy:" of the node's YAML file. */
  readonly section?: Readonly<Record<string, unknown>>;
}

/**
 * kube-proxy's underscores: `--proxy_mode` is `--proxy-mode` (k8s.io/component-base, cli/flag, WordSepNormalizeFunc). And its one
 * short flag: `-v4` is `-v=4` (spf13/pflag).
 */
export function normalized(args: readonly string[]): string[] {
  return args.map((argument) =>
    argument
      .replace(/^-v(\d+)$/, '--v=$1')
      .replace(/^--?[a-z][^=]*/, (name) => (name.includes('_') ? name.replaceAll('_', '-') : name)),
  );
}

/** Reads everything. @throws UsageError */
export function loadOptions(parsed: ParsedArguments, context: LoadContext): Loaded {
  const settings = new Settings(PROXY_FLAGS, {
    flags: parsed.values,
    environment: {},
    environmentPrefix: 'UNDERPOD_PROXY_',
    file: context.section ?? readConfigSection('proxy'),
    fileName: '/etc/underpod/config.yaml, section proxy',
  });
  const file = settings.optional('config');
  const { environment, hostName } = context;
  if (file === undefined)
    return { options: proxyOptions(settings, undefined, environment, hostName), settings };
  const text = read(file);
  const { given, unknownKeys } = decodeConfiguration(text, file, settings.boolean('strict-config'));
  const configuration = withDefaults(given);
  return {
    options: proxyOptions(settings, { configuration, unknownKeys }, environment, hostName),
    settings,
    file: { path: file, text },
  };
}

function read(path: string): string {
  try {
    return readText(path);
  } catch (cause) {
    throw new UsageError(`cannot read the configuration ${path}`, { cause });
  }
}
