/**
 * The delegates' rendered configurations, one file for each container, as upstream keeps them: DEL must undo what ADD
 * did, whatever subnet.env and the conflist say by then.
 */

import { readDir } from '../../../shared/sys/directory.ts';
import { isErrno } from '../../../shared/sys/errno.ts';
import {
  createExclusive,
  fsyncFile,
  mkdirp,
  readFile,
  unlinkIfExists,
  writeFileAtomic,
} from '../../../shared/sys/file.ts';
import { stat } from '../../../shared/sys/stat.ts';
import { invalidEnvironment, isCniError } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { parseJsonObject } from '../../protocol/json.ts';
import { containerIdProblem, networkNameProblem } from '../../protocol/names.ts';

/** A file that is there: its configuration, or 'corrupt' where a power cut or a kill took the content. */
export type Rendered = JsonObject | 'corrupt';

/** True for the configuration of another network: a container that has interfaces of both has one file. */
export function isOfAnother(rendered: Rendered, network: string): boolean {
  if (rendered === 'corrupt') return false;
  const name = rendered['name'];
  return typeof name === 'string' && name !== network && networkNameProblem(name) === undefined;
}

/**
 * Age in ms from which on nobody is still writing a file. Upstream's plugin writes in place, so a file that cannot be
 * read may be complete a moment later.
 */
const settledMs = 60_000;

/** NAME_MAX of linux/limits.h: bytes of a file's name. Ids are ASCII. */
const maxNameBytes = 255;

/** The directory of rendered configurations; it is shared by all networks. */
export class RenderedConfigs {
  readonly #directory: string;

  constructor(dataDir: string) {
    this.#directory = dataDir;
  }

  /**
   * Keeps a container's configuration: 0600 in a directory of 0700.
   *
   * @param durable whether it is to survive a power cut, which costs milliseconds
   * @returns what undoes it
   */
  save(containerId: string, conf: JsonObject, durable: boolean): () => void {
    const path = this.#path(containerId);
    const text = JSON.stringify(conf);
    mkdirp(this.#directory, 0o700);
    let isNew = true;
    try {
      createExclusive(path, text, 0o600);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      isNew = false;
    }
    if (isNew) {
      try {
        if (durable) fsyncFile(path);
        return () => this.remove(containerId);
      } catch (error) {
        this.remove(containerId);
        throw error;
      }
    }
    // Another interface of the same container. As upstream, the file is of whichever was added last.
    const before = readFile(path);
    const replace = (data: string | Uint8Array): void =>
      writeFileAtomic(path, data, { mode: 0o600, fsync: durable });
    replace(text);
    return () => replace(before);
  }

  /** Throws code 4 for a container whose configuration cannot be kept, before anything of it is made. */
  static requireUsable(containerId: string): void {
    if (containerId.length <= maxNameBytes) return;
    throw invalidEnvironment(
      `CNI_CONTAINERID has ${containerId.length} bytes: a file is called after it, so ${maxNameBytes} are the most`,
    );
  }

  /** A container's configuration; undefined where there is none. */
  load(containerId: string): Rendered | undefined {
    try {
      return parseJsonObject(readFile(this.#path(containerId)), 'the rendered configuration');
    } catch (error) {
      // No file can have a name that is too long.
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
      if (isCniError(error)) return 'corrupt';
      throw error;
    }
  }

  /** Forgets a container; one that is not there is fine. */
  remove(containerId: string): void {
    unlinkIfExists(this.#path(containerId));
  }

  /** Containers with a file of this network, and those whose file is corrupt and no longer being written. */
  containersOf(network: string): string[] {
    return this.#containers().filter((containerId) => {
      const rendered = this.load(containerId);
      if (rendered === 'corrupt') return this.#isSettled(containerId);
      return rendered?.['name'] === network;
    });
  }

  #containers(): string[] {
    try {
      return readDir(this.#directory)
        .filter(({ name, type }) => type === 'file' && containerIdProblem(name) === undefined)
        .map(({ name }) => name);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  #isSettled(containerId: string): boolean {
    try {
      return Date.now() - stat(this.#path(containerId)).mtimeMs > settledMs;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    }
  }

  #path(containerId: string): string {
    return `${this.#directory}/${containerId}`;
  }
}
