import { afterAll, describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../conformance/testing/netns.ts';
import { NFT_MSG } from './codec/message.ts';
import { notFrom, watchForeignChanges } from './foreign-changes.ts';
import { KernelNftables } from './kernel.ts';
import { ipv4Addr } from './model/data-type.ts';
import type { NftSet } from './model/set.ts';
import { Transaction } from './transaction.ts';

const available = freshNetns();

const ours = { kind: 'table', family: 'ip', name: 'ours' } as const;
const set: NftSet = { kind: 'set', family: 'ip', table: 'ours', name: 'many', key: [ipv4Addr] };

describe.skipIf(!available)('a watch of our table', () => {
  const kernel = KernelNftables.open();
  const second = KernelNftables.open();
  afterAll(() => {
    kernel[Symbol.dispose]();
    second[Symbol.dispose]();
  });

  test('tells what others do to it, and nothing else', async () => {
    kernel.run(new Transaction().add(ours).add(set));
    run('nft', 'add table ip6 ours');
    let calls = 0;
    let told: () => void = () => {};
    const change = (): Promise<void> => new Promise((resolve) => (told = resolve));
    using watch = await watchForeignChanges({
      tables: [ours],
      ownPorts: [kernel.portId, second.portId],
      onChange: () => {
        calls += 1;
        told();
      },
      onError: (error) => {
        throw error;
      },
    });
    const keys = new Uint8Array(4 * 100_000);
    for (let at = 0; at < 100_000; at += 1) new DataView(keys.buffer).setUint32(4 * at, at);
    const block = { kind: 'block', set, keys } as const;
    for (const command of [
      'add element ip ours many { 10.1.1.1 }',
      'delete element ip ours many { 10.1.1.1 }',
      'add chain ip ours theirs',
      'add rule ip ours theirs counter',
      'add set ip ours theirs { type ipv4_addr; }',
      'flush ruleset',
    ]) {
      // None of these is told of: our own, of either socket, and other tables, among them one of the same name.
      kernel.run(new Transaction().add(ours).add(set).add(block));
      second.run(new Transaction().deleteBlock(block));
      run(
        'nft',
        'add table ip others; add chain ip others c; add table ip6 ours; add chain ip6 ours d; delete table ip others',
      );
      const before = calls;
      const next = change();
      run('nft', command);
      await next;
      expect(calls).toBe(before + 1);
    }
    expect(watch.overruns).toBe(0);
  });

  test('of some changes only, and of another socket of ours from some moment on', async () => {
    run('nft', 'add table ip ours; add chain ip ours one; add chain ip ours two');
    const seen: string[] = [];
    let told: () => void = () => {};
    using watch = await watchForeignChanges({
      tables: [ours],
      ownPorts: [],
      concerns: ({ type, chain }) => {
        seen.push(`${type} ${chain}`);
        return chain === 'one';
      },
      onChange: () => told(),
      onError: (error) => {
        throw error;
      },
    });
    const next = (): Promise<void> => new Promise((resolve) => (told = resolve));
    const rule = { kind: 'rule', family: 'ip', table: 'ours', chain: 'one', expressions: [] } as const;
    let change = next();
    kernel.run(new Transaction().add(rule));
    await change;
    watch.setFilter(notFrom([kernel.portId]));
    change = next();
    kernel.run(new Transaction().add(rule));
    run('nft', 'add rule ip ours two counter; flush chain ip ours one');
    await change;
    expect(seen).toEqual([`${NFT_MSG.NEWRULE} one`, `${NFT_MSG.NEWRULE} two`, `${NFT_MSG.DELRULE} one`]);
  });
});
