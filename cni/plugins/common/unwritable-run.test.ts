import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { network } from '../testing/bridge.ts';
import type { Json } from '../testing/node.ts';
import { nothing, run, TestNode } from '../testing/node.ts';

const node = TestNode.enter() as TestNode;
const directory = '/run/underpod';

afterEach(() => {
  run('umount', '-l', directory);
  node?.reset();
});

/** A file system of its own, which a pod's ADD finds writable, made unusable behind it. */
function unusable(how: string): void {
  if (how === 'read-only') run('mount', '-o', 'remount,ro', directory);
  else if (how === 'full') fill(1 << 20);
  else run('mount', '-o', 'remount,nr_inodes=2', directory);
}

function fill(bytes: number): void {
  for (let size = bytes; size > 0; size >>= 1) {
    try {
      writeFileSync(`${directory}/filler${size}`, new Uint8Array(size));
    } catch {
      // It is full sooner; a smaller one may fit.
    }
  }
}

describe.skipIf(!node)('where locks cannot be written', () => {
  test.each(['read-only', 'full', 'without inodes'])(
    '%s: DEL works, ADD and STATUS say why not',
    async (how) => {
      mkdirSync(directory, { recursive: true });
      run('mount', '-t', 'tmpfs', '-o', 'size=1m,nr_inodes=50', 'tmpfs', directory);
      const net = network({ ipMasq: true });
      const pod = node.container();
      await node.ok('ADD', net, pod);
      await node.ok('STATUS', net);
      unusable(how);
      expect((await node.call('STATUS', net)).json).toMatchObject({
        code: 50,
        msg: expect.stringMatching(/locks cannot be written in \/run\/underpod\/cni: mount it writable/),
      });
      expect((await node.call('ADD', net, node.container())).json).toMatchObject({ code: 5 });
      await node.ok('DEL', net, pod);
      const gc: Json = { ...net, 'cni.dev/valid-attachments': [] };
      expect((await node.call('GC', gc)).code).toBe(how === 'full' ? 0 : 1);
      expect(node.leftovers(String(net['name']))).toEqual(nothing);
    },
  );
});
