import { readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Subprocess } from 'bun';
import { describe, expect, test } from 'vitest';
import { overlaps } from '../../ip/cidr.ts';
import { isTooOld } from '../errors.ts';
import { ManualClock } from '../manual-clock.ts';
import { cidrsOf } from '../node-object.ts';
import { StoreDirectory, sampleKey, sampleObject } from './test-store.ts';

const script = fileURLToPath(new URL('./test-child.ts', import.meta.url));

/** A child at its work; disposing kills it. */
class Child implements AsyncDisposable {
  readonly #process: Subprocess<'pipe', 'pipe', 'inherit'>;
  readonly #lines: AsyncIterator<string>;

  constructor(
    directory: StoreDirectory,
    job: string,
    name: string,
    count: number = 0,
    prefix: string[] = [],
  ) {
    this.#process = Bun.spawn(
      [...prefix, process.execPath, script, job, directory.file, name, String(count)],
      {
        stdin: 'pipe',
        stdout: 'pipe',
        stderr: 'inherit',
      },
    );
    this.#lines = lines(this.#process.stdout)[Symbol.asyncIterator]();
  }

  async line(): Promise<string | undefined> {
    const { value } = await this.#lines.next();
    return value;
  }

  async rest(): Promise<string[]> {
    const all: string[] = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) all.push(line);
    return all;
  }

  go(): void {
    this.#process.stdin.write('\n');
    this.#process.stdin.flush();
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#process.exited;
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of stream) {
    const parts = (pending + decoder.decode(chunk, { stream: true })).split('\n');
    pending = parts.pop() ?? '';
    yield* parts;
  }
}

/** Starts one child per name, lets them all go at once and waits for their ends. */
async function race(
  directory: StoreDirectory,
  job: string,
  names: string[],
  count: number,
): Promise<string[][]> {
  await using stack = new AsyncDisposableStack();
  const children = names.map((name) => stack.use(new Child(directory, job, name, count)));
  for (const child of children) expect(await child.line()).toBe('ready');
  for (const child of children) child.go();
  return await Promise.all(children.map((child) => child.rest()));
}

describe('several processes', () => {
  test('increment one counter: nothing is lost', async () => {
    using directory = new StoreDirectory();
    const outputs = await race(directory, 'increment', ['a', 'b', 'c'], 60);
    expect(outputs).toEqual([['done'], ['done'], ['done']]);
    const counter = directory.open().get(sampleKey('counter'));
    expect(counter?.['spec']).toEqual({ value: 180 });
    expect(counter?.metadata.resourceVersion).toBe('180');
  });

  test('acquire subnets: none overlap', async () => {
    using directory = new StoreDirectory();
    await race(directory, 'acquire', ['a', 'b', 'c'], 20);
    const nodes = directory.open().list('Node').items;
    expect(nodes).toHaveLength(60);
    const cidrs = nodes.flatMap(cidrsOf);
    expect(cidrs).toHaveLength(120);
    for (const [index, cidr] of cidrs.entries()) {
      expect(cidrs.slice(index + 1).filter((other) => overlaps(cidr, other))).toEqual([]);
    }
  });

  test('a watcher sees the last word of each, by events alone', async () => {
    using directory = new StoreDirectory();
    const store = directory.open({ environment: { clock: new ManualClock() } });
    const abort = new AbortController();
    const seen = new Set<string>();
    const watching = (async () => {
      for await (const batch of store.watchObjects(
        ['Service'],
        store.list('Service').version,
        abort.signal,
      )) {
        for (const event of batch.events) seen.add(event.object.metadata.name);
        if (seen.size === 90) return;
      }
    })();
    await race(directory, 'put', ['a', 'b', 'c'], 30);
    await watching;
    expect(seen.size).toBe(90);
  });

  test('find damage at the same moment: one sets it aside, nobody loses what he writes then', async () => {
    using directory = new StoreDirectory();
    const old = directory.open();
    const { version } = old.list('Service');
    const watch = old.watchObjects(['Service'], version, new AbortController().signal);
    const next = watch.next().catch((error: unknown) => error);
    // In one write, as a failing disk would: the process that has it open keeps what it has read.
    Bun.spawnSync(['dd', 'if=/dev/zero', `of=${directory.file}`, 'bs=4096', 'count=1', 'conv=notrunc'], {
      stderr: 'ignore',
    });
    const outputs = await race(directory, 'put', ['a', 'b', 'c'], 10);
    const reports = outputs.flat().filter((line) => line.startsWith('report'));
    expect(reports).toHaveLength(1);
    expect(isTooOld(await next)).toBe(true);
    expect(old.list('Service').items).toHaveLength(30);
    expect(readdirSync(directory.path).filter((name) => /damaged-[^-]*$/.test(name))).toHaveLength(1);
  });

  test('start on garbage at the same moment', async () => {
    using directory = new StoreDirectory();
    writeFileSync(directory.file, 'garbage');
    const outputs = await race(directory, 'put', ['a', 'b', 'c'], 5);
    expect(outputs.map((lines) => lines.at(-1))).toEqual(['done', 'done', 'done']);
    expect(outputs.flat().filter((line) => line.startsWith('report'))).toHaveLength(1);
    expect(directory.open().list('Service').items).toHaveLength(15);
  });
});

test('a full disk is an error like any other: nothing is set aside, nothing acknowledged is lost', async () => {
  using directory = new StoreDirectory();
  directory.open()[Symbol.dispose]();
  // No file of the child can grow beyond 600 blocks of 512 bytes.
  const limited = ['sh', '-c', `trap '' XFSZ; ulimit -f 600; exec "$@"`, 'sh'];
  await using child = new Child(directory, 'fill', 'x', 0, limited);
  expect(await child.line()).toBe('ready');
  child.go();
  const [result, ...rest] = await child.rest();
  expect(rest).toEqual(['done']);
  const [acknowledged, held, name] = result?.split(' ') ?? [];
  expect(name).toBe('SQLiteError');
  expect(Number(acknowledged)).toBeGreaterThan(3);
  expect(held).toBe(acknowledged);
  const reports: unknown[] = [];
  const store = directory.open({ report: (report) => reports.push(report) });
  expect(reports).toEqual([]);
  expect(store.list('Service').items).toHaveLength(Number(acknowledged));
  store.put(sampleObject('more'));
});

describe('kill -9', () => {
  test('leaves every transaction whole and every acknowledged one on disk', async () => {
    using directory = new StoreDirectory();
    let written = 0;
    for (const [round, acknowledgements] of [1, 7, 2, 23, 4, 11, 3, 31].entries()) {
      // Every other time a second process has the store open and the log outlives the first.
      const witness = round % 2 === 0 ? directory.open() : undefined;
      {
        await using child = new Child(directory, 'writePairs', 'x');
        await child.line();
        child.go();
        for (let seen = 0; seen < acknowledgements; seen += 1) written = Number(await child.line());
        child.kill();
        for (const line of await child.rest()) written = Number(line);
      }
      const reports: unknown[] = [];
      const store = directory.open({ report: (report) => reports.push(report) });
      expect(reports).toEqual([]);
      const left = store.get(sampleKey('left'))?.['spec'] as { value: { n: number } };
      expect(store.get(sampleKey('right'))?.['spec']).toEqual(left);
      expect(left.value.n).toBeGreaterThanOrEqual(written);
      expect(left.value.n).toBeLessThanOrEqual(written + 1);
      expect(store.get(sampleKey('extra')) !== undefined).toBe(left.value.n % 2 === 0);
      expect(witness?.get(sampleKey('left'))?.['spec']).toEqual(witness && left);
      store[Symbol.dispose]();
      witness?.[Symbol.dispose]();
    }
    expect(written).toBeGreaterThan(80);
  });
});
