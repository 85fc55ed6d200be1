/** Holds a mounted file system still through a child process (freeze-main.ts). */

import { O } from '../../../shared/sys/constants.ts';
import { errnoNumber, isErrno, SyscallError } from '../../../shared/sys/errno.ts';
import type { Fd } from '../../../shared/sys/fd.ts';
import { openFile } from '../../../shared/sys/file.ts';
import { thawAt } from '../../../shared/sys/freeze.ts';

/**
 * Has `target` share the data of `source`, in one step (see reflink), while the file system mounted at `mounted` is still; where
 * that is undefined, at once. In a child, since it takes 10 to 20 µs for each piece that the file lies in on the disk.
 *
 * @returns false where the pool's file system cannot
 * @throws SyscallError ENOSPC, EIO and others
 */
export async function reflinkStill(source: Fd, target: Fd, mounted: string | undefined): Promise<boolean> {
  // The child takes its descriptors by their place: without a file system to freeze, something is there.
  using directory = openFile(mounted ?? '/', O.RDONLY | O.DIRECTORY);
  const mode = mounted === undefined ? '--flowing' : '--reflink';
  using child = new Child([mode], [directory.fd, source, target], mounted);
  const words = await child.all();
  return words.includes('cloned');
}

/**
 * Runs `work` while the file system at `mounted` is still.
 *
 * @throws SyscallError EBUSY where it took so long that writers could not be kept waiting: what it saw is not of one moment
 */
export async function whileStill(mounted: string, work: () => Promise<void>): Promise<void> {
  using directory = openFile(mounted, O.RDONLY | O.DIRECTORY);
  using child = new Child([], [directory.fd], mounted);
  await child.word();
  await work();
  child.release();
  if ((await child.all()).includes('late')) throw new SyscallError('freeze', errnoNumber('EBUSY'), mounted);
}

/** Writes out what the file system of a directory holds back. In a child, since that may take long. @throws SyscallError */
export async function writeOut(path: string): Promise<void> {
  using directory = openFile(path, O.RDONLY | O.DIRECTORY);
  using child = new Child(['--sync'], [directory.fd], undefined);
  await child.all();
}

class Child implements Disposable {
  readonly #process: Bun.Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #words: AsyncIterator<string>;
  readonly #mounted: string | undefined;
  /** Nothing frozen is left of it. */
  #ended = false;

  constructor(args: readonly string[], inherited: readonly Fd[], mounted: string | undefined) {
    this.#mounted = mounted;
    // Compiled, we are one executable; otherwise a file is run by Bun, as we are.
    const compiled = Bun.main.startsWith('/$bunfs/');
    const program = compiled ? ['csi', 'freeze'] : [`${import.meta.dirname}/freeze-main.ts`];
    this.#process = Bun.spawn([process.execPath, ...program, ...args], {
      ...(compiled ? { argv0: 'underpod' } : {}),
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BUN_'))),
      stdio: ['pipe', 'pipe', 'inherit', ...inherited],
    });
    this.#words = wordsOf(this.#process.stdout)[Symbol.asyncIterator]();
  }

  /** The next word. @throws SyscallError that the child met with */
  async word(): Promise<string | undefined> {
    const { value, done } = await this.#words.next();
    if (done) return undefined;
    const [word, errno] = (value as string).split(' ');
    if (word === 'failed')
      throw new SyscallError('freeze', errnoNumber(errno ?? 'EIO'), this.#mounted ?? 'copy');
    return word;
  }

  /** All words until its end. */
  async all(): Promise<string[]> {
    const words: string[] = [];
    for (let word = await this.word(); word !== undefined; word = await this.word()) words.push(word);
    const code = await this.#process.exited;
    this.#ended = code === 0;
    if (code !== 0)
      throw new SyscallError('freeze', errnoNumber('EIO'), `${this.#mounted}: child ended with ${code}`);
    return words;
  }

  /** It thaws now. */
  release(): void {
    void this.#process.stdin.end();
  }

  [Symbol.dispose](): void {
    this.release();
    if (!this.#ended) thawLeftover(this.#mounted, this.#process.exited);
  }
}

/** Whoever killed the child may have left the file system frozen. Not before its end, since it may be about to freeze it. */
function thawLeftover(mounted: string | undefined, exited: Promise<number>): void {
  if (mounted === undefined) return;
  void exited.then(() => {
    try {
      thawAt(mounted);
    } catch (error) {
      // Unmounted by now.
      if (!isErrno(error, 'ENOENT', 'EIO', 'EOPNOTSUPP')) throw error;
    }
  });
}

async function* wordsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
