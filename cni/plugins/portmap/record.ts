/**
 * Which network a container's port rules are of, and which they are in nf_tables. The rules themselves carry only the
 * container's id, as upstream's, so that a GC could not tell those of another network, and a DEL would list those of all
 * pods to find its own: 0.5 MB with 500 ports. A file each, in /run like the rules: both are gone after a reboot.
 */

import type { RuleRef } from '../../../shared/nftables/model/rule.ts';
import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import { mkdirp, readTextIfExists, unlinkIfExists, writeFile } from '../../../shared/sys/file.ts';
import { exists } from '../../../shared/sys/stat.ts';

const linePattern = /^(\w+) (\w+) (\w+) ([0-9]+)$/;

/** The first line: names of interfaces have no white space (dev_valid_name of the kernel's net/core/dev.c). */
const ownerWord = 'interface ';
const ownerLine = (ifname: string): string => `${ownerWord}${ifname}\n`;

const directory = '/run/underpod/portmap';

/**
 * Before the rules are made.
 *
 * @returns whether there is no record of earlier ones, which would stay when only the new ones were known
 */
export function recordPorts(network: string, containerId: string, ifname: string): boolean {
  const isNew = !isRecorded(network, containerId);
  mkdirp(`${directory}/${network}`, 0o700);
  writeFile(`${directory}/${network}/${containerId}`, ownerLine(ifname), 0o600);
  return isNew;
}

/** Once all the container's rules are made in nf_tables. */
export function recordRules(
  network: string,
  containerId: string,
  ifname: string,
  rules: readonly RuleRef[],
): void {
  let text = ownerLine(ifname);
  for (const { family, table, chain, handle } of rules) text += `${family} ${table} ${chain} ${handle}\n`;
  writeFile(`${directory}/${network}/${containerId}`, text, 0o600);
}

/** What `recordRules` was told; undefined where it was not called: the rules may be any. */
export function recordedRules(network: string, containerId: string): RuleRef[] | undefined {
  const text = readTextIfExists(`${directory}/${network}/${containerId}`);
  if (text === undefined) return undefined;
  const rules: RuleRef[] = [];
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith(ownerWord)) continue;
    const [, family, table, chain, handle] = linePattern.exec(line) ?? [];
    if ((family !== 'ip' && family !== 'ip6') || !table || !chain || !handle) return undefined;
    rules.push({ family, table, chain, handle: BigInt(handle) });
  }
  return rules.length === 0 ? undefined : rules;
}

/** The interface whose ADD made the record; undefined in one of an earlier version. */
export function recordedIfname(network: string, containerId: string): string | undefined {
  const [line = ''] = (readTextIfExists(`${directory}/${network}/${containerId}`) ?? '').split('\n');
  return line.startsWith(ownerWord) ? line.slice(ownerWord.length) : undefined;
}

/** True where ADD made rules that nobody has removed since. */
export function isRecorded(network: string, containerId: string): boolean {
  return exists(`${directory}/${network}/${containerId}`);
}

/** After they are gone; none is fine. */
export function forgetPorts(network: string, containerId: string): void {
  unlinkIfExists(`${directory}/${network}/${containerId}`);
}

/** Containers of a network that may have rules. */
export function recordedPorts(network: string): string[] {
  try {
    return readDir(`${directory}/${network}`)
      .filter(({ type }) => type === 'file')
      .map(({ name }) => name);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
