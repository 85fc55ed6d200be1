/** The one YAML file of a node: a section a program, keys named like the program's flags. */

import { isErrno } from '../sys/errno.ts';
import { readText } from '../sys/file.ts';
import { UsageError } from './usage-error.ts';

/** Where the file lies unless `--config` says otherwise. */
export const CONFIG_FILE = '/etc/underpod/config.yaml';

/**
 * One program's section; empty where the file or the section is missing.
 *
 * @param path what `--config` named; then the file must exist
 * @throws UsageError on a file that is not there, not YAML, or not made of sections
 */
export function readConfigSection(section: string, path?: string): Record<string, unknown> {
  let text: string;
  try {
    text = readText(path ?? CONFIG_FILE);
  } catch (error) {
    if (path === undefined && isErrno(error, 'ENOENT', 'ENOTDIR')) return {};
    throw new UsageError(`cannot read the config file ${path ?? CONFIG_FILE}`, { cause: error });
  }
  return parseConfigSection(text, section, path ?? CONFIG_FILE);
}

/** As `readConfigSection`, from the file's text. Pure. */
export function parseConfigSection(text: string, section: string, name: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = Bun.YAML.parse(text);
  } catch (error) {
    throw new UsageError(`${name} is not valid YAML`, { cause: error });
  }
  if (document === null || document === undefined) return {};
  if (!isMapping(document)) throw new UsageError(`${name}: must hold sections such as "${section}:"`);
  const content = document[section];
  if (content === undefined || content === null) return {};
  if (!isMapping(content)) throw new UsageError(`${name}: section "${section}" must hold "key: value" lines`);
  return content;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
