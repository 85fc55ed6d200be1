import { expect, test } from 'vitest';
import { run, TemporaryDirectory } from '../testing/netns.ts';
import type { LabNode } from './node.ts';
import { NodeProcess } from './node-process.ts';

test('a program that has only just been started can be killed', async () => {
  using directory = new TemporaryDirectory();
  const fifo = directory.join('fifo');
  run('mkfifo', fifo);
  // As nsenter(1) does it, which forks once; on a busy machine after a while.
  const enter = ['bash', '-c', 'exec 3<>"$0"; read -t 0.3 -u 3; "$@" & wait', fifo];
  const program = new NodeProcess({ name: 'node1', enter } as unknown as LabNode, directory.join('log'));
  const started = program.start(['sleep', '20'], 5_000, () => new Promise(() => {}));
  await Bun.sleep(0);
  expect(program.pid).toBeUndefined();
  await program.kill();
  await expect(started).rejects.toThrow('it ended with exit code');
  expect(program.hasEnded).toBe(true);
}, 10_000);
