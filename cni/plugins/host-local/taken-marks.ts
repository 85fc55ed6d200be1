/**
 * Which addresses were seen taken, so that a walk through a range that is nearly full does not ask for every one.
 *
 * Only a hint, which nothing goes wrong with when it is wrong: an address without a mark is tried before it is given
 * out, and where all have one the directory is read. So upstream's plugin may come and go, and nothing is flushed. A
 * file `taken-<block>` in the index's directory has a bit for each of the 65,536 addresses of a block.
 */

import type { Ip } from '../../../shared/ip/ip.ts';
import { O } from '../../../shared/sys/constants.ts';
import { SyscallError } from '../../../shared/sys/errno.ts';
import { readAll, writeAll } from '../../../shared/sys/fd.ts';
import { mkdirp, openFile } from '../../../shared/sys/file.ts';
import { addressOfFile } from './record.ts';

const blockBits = 16n;
const blockSize = 2 ** 16;
const blockBytes = blockSize / 8;

/** Marks of the blocks that were looked at. Needs the directory's lock. */
export class TakenMarks {
  readonly #directory: string;
  readonly #blocks = new Map<string, { readonly words: Uint32Array; isChanged: boolean }>();

  /** @param directory the index's, which need not exist */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** How many addresses in a row have a mark, from `ip` to the end of its block at most. */
  run(ip: Ip): number {
    const { words } = this.#block(ip);
    const start = offsetOf(ip);
    let at = start;
    while (at < blockSize) {
      const word = words[at >>> 5] ?? 0;
      if ((at & 31) === 0 && word === 0xffff_ffff) at += 32;
      else if (((word >>> (at & 31)) & 1) === 1) at++;
      else break;
    }
    return at - start;
  }

  mark(ip: Ip): void {
    const block = this.#block(ip);
    const at = offsetOf(ip);
    block.words[at >>> 5] = ((block.words[at >>> 5] ?? 0) | (1 << (at & 31))) >>> 0;
    block.isChanged = true;
  }

  /** Marks all addresses that have files. */
  markAll(names: Iterable<string>): void {
    for (const name of names) {
      const ip = addressOfFile(name);
      if (ip) this.mark(ip);
    }
  }

  /** Forgets all marks of the blocks that were looked at. */
  clear(): void {
    for (const block of this.#blocks.values()) {
      block.words.fill(0);
      block.isChanged = true;
    }
  }

  /** Takes one mark away at once, if there are any of its block. */
  unmark(ip: Ip): void {
    try {
      using file = openFile(this.#path(ip), O.RDWR);
      const bytes = readAll(file.fd);
      const at = offsetOf(ip);
      bytes[at >>> 3] = (bytes[at >>> 3] ?? 0) & ~(1 << (at & 7));
      this.#write(this.#path(ip), bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }

  /** Keeps the marks for the next call, where they can be written. */
  save(): void {
    for (const [path, { words, isChanged }] of this.#blocks) {
      if (!isChanged) continue;
      try {
        mkdirp(this.#directory, 0o700);
        this.#write(path, new Uint8Array(words.buffer));
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
      }
    }
  }

  #write(path: string, bytes: Uint8Array): void {
    using file = openFile(path, O.WRONLY | O.CREAT, 0o600);
    writeAll(file.fd, bytes, path);
  }

  #block(ip: Ip): { readonly words: Uint32Array; isChanged: boolean } {
    const path = this.#path(ip);
    let block = this.#blocks.get(path);
    if (!block) {
      block = { words: this.#read(path), isChanged: false };
      this.#blocks.set(path, block);
    }
    return block;
  }

  #read(path: string): Uint32Array {
    const words = new Uint32Array(blockBytes / 4);
    try {
      using file = openFile(path, O.RDONLY);
      const bytes = readAll(file.fd);
      new Uint8Array(words.buffer).set(bytes.subarray(0, blockBytes));
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
    return words;
  }

  #path({ family, value }: Ip): string {
    return `${this.#directory}/taken-${family}-${(value >> blockBits).toString(16)}`;
  }
}

function offsetOf({ value }: Ip): number {
  return Number(value & 0xffffn);
}
