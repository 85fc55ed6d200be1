import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../../conformance/testing/netns.ts';
import { systemClock } from '../../../shared/daemon/clock.ts';
import { followFile } from './follow.ts';

const stack: Disposable[] = [];
afterEach(() => {
  for (const one of stack.splice(0).reverse()) one[Symbol.dispose]();
});

function follow(path: string, known: string): (() => Promise<void>) & { count(): number } {
  let wake = (): void => {};
  let changes = 0;
  stack.push(
    followFile(path, known, systemClock, () => {
      changes += 1;
      wake();
    }),
  );
  const next = async (): Promise<void> => {
    if (changes === 0) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(() => reject(new Error('nothing was told within 5 s')), 5000);
      await promise;
      clearTimeout(timer);
    }
    changes = 0;
  };
  return Object.assign(next, { count: () => changes });
}

test('a file that is written, and one that is replaced', async () => {
  const directory = new TemporaryDirectory();
  stack.push(directory);
  const path = directory.join('config.conf');
  writeFileSync(path, 'a');
  const changed = follow(path, 'a');
  writeFileSync(path, 'b');
  await changed();
  // Touched, not changed; nor is another file's change one of this.
  writeFileSync(path, 'b');
  writeFileSync(directory.join('new'), 'c');
  await Bun.sleep(0);
  expect(changed.count()).toBe(0);
  renameSync(directory.join('new'), path);
  await changed();
});

test('what was written between its reading and this counts, and so does the way back', async () => {
  const directory = new TemporaryDirectory();
  stack.push(directory);
  const path = directory.join('config.conf');
  writeFileSync(path, 'b');
  const changed = follow(path, 'a');
  await changed();
  writeFileSync(path, 'a');
  await changed();
});

test("a ConfigMap's volume", async () => {
  const directory = new TemporaryDirectory();
  stack.push(directory);
  const version = (name: string, text: string): void => {
    mkdirSync(directory.join(name));
    writeFileSync(directory.join(`${name}/config.conf`), text);
    symlinkSync(name, directory.join('..data_tmp'));
    renameSync(directory.join('..data_tmp'), directory.join('..data'));
  };
  version('..1', 'a');
  symlinkSync('..data/config.conf', directory.join('config.conf'));
  const changed = follow(directory.join('config.conf'), 'a');
  version('..2', 'b');
  await changed();
});
