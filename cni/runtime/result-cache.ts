import { readDir } from '../../shared/sys/directory.ts';
import { isErrno } from '../../shared/sys/errno.ts';
import { createExclusive, mkdirp, readFile, unlinkIfExists } from '../../shared/sys/file.ts';
import { sweepTemporaries } from '../../shared/sys/sweep.ts';
import { decodingFailure } from '../protocol/error.ts';
import { toCniError } from '../protocol/error-codes.ts';
import type { JsonObject } from '../protocol/json.ts';
import { parseJsonObject, readArray, readObject, readString } from '../protocol/json.ts';
import type { Attachment } from '../protocol/net-conf.ts';
import type { Result } from '../protocol/result.ts';
import { decodeResult } from '../protocol/result-decode.ts';
import { goJsonStruct } from './go-json.ts';
import type { AttachmentParameters } from './request.ts';

/** libcni's directory; results lie in `results` below it. */
export const defaultCacheDir = '/var/lib/cni';

/** The `kind` of every file that is written. Older runtimes wrote the bare result. */
const cacheKind = 'cniCacheV1';

/** What is remembered of an attachment between its ADD and its DEL. */
export interface CachedAttachment extends AttachmentParameters {
  readonly networkName: string;
  /** The network configuration as it was at the ADD. */
  readonly config: Uint8Array;
  /** The chain's result, with the version it is written in. */
  readonly result: JsonObject | undefined;
}

/**
 * libcni's result cache: `<dir>/results/<network>-<containerID>-<ifname>`, mode 0600, with the bytes that libcni
 * writes, so that either finds the other's files after a change of runtime.
 *
 * Files appear complete or not at all, but are not flushed to the disk: what a power cut takes away is found again by
 * GC, and a DEL needs no result.
 */
export class ResultCache {
  readonly #dir: string;

  constructor(dir: string = defaultCacheDir) {
    this.#dir = `${dir}/results`;
  }

  /** Stores an attachment in place of what was there. */
  write(entry: CachedAttachment): void {
    const file = this.#file(entry.networkName, entry);
    mkdirp(this.#dir, 0o700);
    const bytes = encode(entry);
    let written = false;
    while (!written) {
      unlinkIfExists(file);
      written = createUnlessThere(file, bytes);
    }
  }

  /** What was stored, or undefined. Throws code 6 for a file that is none of libcni's. */
  read(networkName: string, attachment: Attachment): CachedAttachment | undefined {
    const file = this.#file(networkName, attachment);
    const bytes = readIfExists(file);
    const entry = bytes && decode(bytes, file);
    return entry && isOf(entry, networkName, attachment) ? entry : undefined;
  }

  /**
   * The stored result, or undefined. Reads the bare results of older runtimes too. Throws code 6 for what is neither,
   * naming the file.
   */
  readResult(networkName: string, attachment: Attachment): Result | undefined {
    const file = this.#file(networkName, attachment);
    const bytes = readIfExists(file);
    if (bytes === undefined) return undefined;
    const what = `cached result ${file}`;
    const raw = parseJsonObject(bytes, what);
    if (raw['kind'] !== cacheKind) return decodeResult(raw, { path: what });
    const entry = decode(bytes, file);
    if (!entry.result || !isOf(entry, networkName, attachment)) return undefined;
    return decodeResult(entry.result, { path: what });
  }

  /** Forgets an attachment; succeeds when there is none. */
  remove(networkName: string, attachment: Attachment): void {
    unlinkIfExists(this.#file(networkName, attachment));
  }

  /** All attachments, or those of one container. `onProblem` hears of files that are passed over. */
  list(options: { containerId?: string; onProblem?: (problem: string) => void } = {}): CachedAttachment[] {
    const found: CachedAttachment[] = [];
    for (const name of namesIn(this.#dir)) {
      // The name tells nothing for certain (a hyphen may be part of each field), but rules most files out.
      if (options.containerId !== undefined && !name.includes(`-${options.containerId}-`)) continue;
      try {
        const bytes = readIfExists(`${this.#dir}/${name}`);
        if (bytes) found.push(decode(bytes, `${this.#dir}/${name}`));
      } catch (error) {
        options.onProblem?.(toCniError(error).message);
      }
    }
    return found.filter(
      ({ containerId }) => options.containerId === undefined || containerId === options.containerId,
    );
  }

  /** Removes what writers that were killed left half written. */
  sweep(): void {
    sweepTemporaries(this.#dir);
  }

  #file(networkName: string, { containerId, ifname }: Attachment): string {
    return `${this.#dir}/${networkName}-${containerId}-${ifname}`;
  }
}

/** A hyphen may be part of each field, so two attachments can have the same file name. */
function isOf(entry: CachedAttachment, networkName: string, { containerId, ifname }: Attachment): boolean {
  return entry.networkName === networkName && entry.containerId === containerId && entry.ifname === ifname;
}

function encode(entry: CachedAttachment): string {
  const { args = [], capabilityArgs = {} } = entry;
  return goJsonStruct([
    ['kind', cacheKind],
    ['containerId', entry.containerId],
    ['config', entry.config.toBase64()],
    ['ifName', entry.ifname],
    ['networkName', entry.networkName],
    ['netns', entry.netns || undefined],
    ['cniArgs', args.length > 0 ? args : undefined],
    ['capabilityArgs', Object.keys(capabilityArgs).length > 0 ? capabilityArgs : undefined],
    ['result', entry.result && Object.keys(entry.result).length > 0 ? entry.result : undefined],
  ]);
}

function decode(bytes: Uint8Array, file: string): CachedAttachment {
  const what = `cached attachment ${file}`;
  const raw = parseJsonObject(bytes, what);
  if (raw['kind'] !== cacheKind) throw decodingFailure(`${what} has no "kind": "${cacheKind}"`);
  const entry = {
    containerId: readString(raw['containerId'], `${what}: containerId`) ?? '',
    config: decodeBase64(readString(raw['config'], `${what}: config`) ?? '', `${what}: config`),
    ifname: readString(raw['ifName'], `${what}: ifName`) ?? '',
    networkName: readString(raw['networkName'], `${what}: networkName`) ?? '',
    netns: readString(raw['netns'], `${what}: netns`),
    args: (readArray(raw['cniArgs'], `${what}: cniArgs`) ?? []).map((pair) =>
      decodePair(pair, `${what}: cniArgs`),
    ),
    capabilityArgs: readObject(raw['capabilityArgs'], `${what}: capabilityArgs`) ?? {},
    result: readObject(raw['result'], `${what}: result`),
  };
  if (entry.containerId && entry.ifname && entry.networkName) return entry;
  throw decodingFailure(`${what} does not say which attachment it is of`);
}

function decodePair(value: unknown, path: string): readonly [string, string] {
  const [key, text] = readArray(value, path) ?? [];
  return [readString(key, path) ?? '', readString(text, path) ?? ''];
}

function decodeBase64(text: string, path: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text);
  } catch (cause) {
    throw decodingFailure(`${path} is not base64`, { cause });
  }
}

/** False when another runtime wrote the file since it was removed. */
function createUnlessThere(file: string, bytes: string): boolean {
  try {
    createExclusive(file, bytes, 0o600);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function readIfExists(file: string): Uint8Array | undefined {
  try {
    return readFile(file);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function namesIn(dir: string): string[] {
  try {
    return readDir(dir)
      .filter(({ name, type }) => type !== 'dir' && !name.startsWith('.'))
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
