/**
 * What interfaces were before they were tuned, one file for each attachment: name, place and content are upstream's.
 *
 * The file does not say which network it is of, and all networks use the same directory. So a note in /run names, for
 * each attachment of a network, the directories in which it has a file: by them GC finds the network's, and DEL what an
 * ADD wrote before the configuration was changed. The note is there before the file and goes after it.
 */

import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import {
  createExclusive,
  mkdirp,
  overwriteFile,
  readTextIfExists,
  rename,
  unlinkIfExists,
} from '../../../shared/sys/file.ts';
import { exists } from '../../../shared/sys/stat.ts';
import type { Attachment } from '../../protocol/net-conf.ts';
import type { AttachmentKey } from '../common/attachment.ts';
import { formatSettings, parseSettings, type Settings } from './settings.ts';

export const noteDirectory = '/run/underpod/tuning';

/**
 * Writes down what the interface was. Where there is a file already, of another tuning in the same chain or of an ADD
 * that was killed, what it says is older and stays: the interface was so before anybody tuned it.
 *
 * @returns what undoes it
 */
export function saveSettings(key: AttachmentKey, dataDir: string, before: Settings): () => void {
  const path = savedPath(key, dataDir);
  const noted = readNote(key);
  const older = readTextIfExists(path);
  const undo = (): void => {
    if (older !== undefined) {
      replace(path, older);
      return;
    }
    remove(path);
    if (noted.length === 0) unlinkIfExists(notePath(key));
  };
  try {
    note(key, dataDir, noted);
    mkdirp(dataDir, 0o700);
    replace(path, formatSettings({ ...before, ...parseSettings(older ?? '') }));
    return undo;
  } catch (error) {
    undo();
    throw error;
  }
}

/** Where there may be a file of the attachment, the latest first; most have none, which takes two system calls. */
export function savedDirectories(key: AttachmentKey, dataDir: string): readonly string[] {
  const directories: string[] = [];
  const noted = exists(notePath(key)) ? readNote(key) : [];
  for (let at = noted.length - 1; at >= 0; at--) directories.push(noted[at] as string);
  if (!noted.includes(dataDir) && exists(savedPath(key, dataDir))) directories.push(dataDir);
  return directories;
}

/** What the attachment's file in a directory says; nothing where there is none. */
export function readSaved(key: AttachmentKey, dataDir: string): Settings {
  return parseSettings(readTextIfExists(savedPath(key, dataDir)) ?? '');
}

/** Removes the attachment's files, and then its note. */
export function forgetSaved(key: AttachmentKey, directories: readonly string[] = readNote(key)): void {
  for (const dataDir of directories) remove(savedPath(key, dataDir));
  unlinkIfExists(notePath(key));
}

/** The attachments of a network that have a note. */
export function notedAttachments(network: string): Attachment[] {
  const found: Attachment[] = [];
  try {
    for (const { name } of readDir(`${noteDirectory}/${network}`)) {
      // Neither container ids nor names of interfaces can hold a colon.
      const colon = name.indexOf(':');
      if (colon > 0) found.push({ containerId: name.slice(0, colon), ifname: name.slice(colon + 1) });
    }
    return found;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

function note(key: AttachmentKey, dataDir: string, noted: readonly string[]): void {
  if (noted.includes(dataDir)) return;
  mkdirp(`${noteDirectory}/${key.network}`, 0o700);
  overwriteFile(notePath(key), JSON.stringify([...noted, dataDir]), 0o600);
}

/** Directories that the note names. A note that is empty is of an ADD that was killed before it wrote a file. */
function readNote(key: AttachmentKey): readonly string[] {
  const text = readTextIfExists(notePath(key)) ?? '';
  return text === '' ? [] : (JSON.parse(text) as string[]);
}

/** Readers and crashes see the old file or the new one; what a kill leaves has a name by which DEL and GC find it. */
function replace(path: string, text: string): void {
  const fresh = unfinished(path);
  unlinkIfExists(fresh);
  createExclusive(fresh, text, 0o600);
  try {
    rename(fresh, path);
  } catch (error) {
    unlinkIfExists(fresh);
    throw error;
  }
}

function remove(path: string): void {
  unlinkIfExists(path);
  unlinkIfExists(unfinished(path));
}

function unfinished(path: string): string {
  return `${path}.new`;
}

function savedPath({ containerId, ifname }: AttachmentKey, dataDir: string): string {
  return `${dataDir}/${containerId}_${ifname}.json`;
}

function notePath({ network, containerId, ifname }: AttachmentKey): string {
  return `${noteDirectory}/${network}/${containerId}:${ifname}`;
}
