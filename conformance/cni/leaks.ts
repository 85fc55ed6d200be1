/**
 * What CNI calls leave on a node, one line a thing, so that the state after can be held against the state before.
 *
 * host-local's own `lock` and `last_reserved_ip.*` stay by design and are not listed.
 */

import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isLocked } from '../../shared/sys/lock.ts';
import { ipJson, nftJson } from '../testing/netns.ts';

/** Directories in which plugins keep files. */
const directories = ['/run/underpod', '/run/flannel', '/var/lib/cni', '/var/lib/underpod', '/etc/cni'];

const kept = /\/(lock|last_reserved_ip\.\d+)$/;

function filesBelow(directory: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function rules(): string[] {
  return nftJson('list', 'ruleset').nftables.flatMap((object) => {
    const rule = object['rule'] as { table: string; chain: string; comment?: string } | undefined;
    const element = object['set'] as { table: string; name: string; elem?: unknown[] } | undefined;
    if (rule) return [`rule ${rule.table} ${rule.chain} ${JSON.stringify({ ...rule, handle: undefined })}`];
    return (element?.elem ?? []).map(
      (value) => `element ${element?.table} ${element?.name} ${JSON.stringify(value)}`,
    );
  });
}

/** Everything that a call could leave: `link …`, `file …`, `address …`, `lock …`, `rule …`, `element …`. Sorted. */
export function snapshot(): string[] {
  const links = ipJson<{ ifname: string }[]>('link').map((link) => `link ${link.ifname}`);
  const files = directories.flatMap(filesBelow).filter((path) => !kept.test(path));
  const locks = directories
    .flatMap(filesBelow)
    .filter((path) => isLocked(path))
    .map((path) => `lock ${path}`);
  const kind = (path: string): string => (path.startsWith('/var/lib/cni/networks/') ? 'address' : 'file');
  return [...links, ...locks, ...files.map((path) => `${kind(path)} ${path}`), ...rules()].sort();
}

/** What `after` has more than `before`. */
export function leaked(before: readonly string[], after: readonly string[]): string[] {
  const rest = [...before];
  return after.filter((line) => {
    const index = rest.indexOf(line);
    if (index >= 0) rest.splice(index, 1);
    return index < 0;
  });
}
