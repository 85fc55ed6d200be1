import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshNetns, nftJson, run, TemporaryDirectory } from '../../conformance/testing/netns.ts';
import { writeFile } from '../sys/file.ts';
import { compareKeys } from './codec/interval.ts';
import { KernelNftables } from './kernel.ts';
import { sample, sampleText } from './testing/sample.ts';
import { Transaction } from './transaction.ts';

describe.skipIf(!freshNetns())('a table that uses everything', () => {
  const kernel = KernelNftables.open();
  const folder = new TemporaryDirectory();
  const table = (name: string) => ({ family: 'inet', name }) as const;

  beforeAll(() => {
    kernel.run(sample('ours'));
    writeFile(folder.join('theirs.nft'), new TextEncoder().encode(sampleText.replace('NAME', 'theirs')));
    run('nft', '-f', folder.join('theirs.nft'));
  });
  afterAll(() => {
    kernel[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  test('is printed by nft list as written by hand', () => {
    expect(run('nft', 'list', 'table', 'inet', 'ours')).toBe(sampleText.replace('NAME', 'ours'));
  });

  test('is to nft -j what the same table loaded by nft is', () => {
    const list = (name: string): unknown =>
      JSON.parse(
        JSON.stringify(nftJson('list', 'table', 'inet', name).nftables, (key, value) =>
          key === 'handle' ? undefined : value,
        ).replaceAll(`"${name}"`, '"NAME"'),
      );
    expect(list('ours')).toEqual(list('theirs'));
  });

  test('is listed like the same table loaded by nft', () => {
    const plain = (value: unknown): unknown =>
      JSON.parse(
        JSON.stringify(value, (key, v) => {
          if (key === 'handle') return undefined;
          return typeof v === 'bigint' ? String(v) : v instanceof Uint8Array ? v.toHex() : v;
        }).replaceAll(/"(ours|theirs)"/g, '"NAME"'),
      );
    const [ours, theirs] = ['ours', 'theirs'].map(table);
    expect(plain(kernel.listChains(ours!))).toEqual(plain(kernel.listChains(theirs!)));
    expect(plain(kernel.listRules(ours!))).toEqual(plain(kernel.listRules(theirs!)));
    const named = (name: string) => kernel.listSets(table(name)).filter(({ anonymous }) => !anonymous);
    expect(plain(named('ours'))).toEqual(plain(named('theirs')));
    for (const set of named('ours')) {
      const elements = (of: string): unknown =>
        plain(kernel.listElements({ ...set, table: of }).sort((a, b) => compareKeys(a.key, b.key)));
      expect(elements('ours')).toEqual(elements('theirs'));
    }
  });

  test('can be written back as it was listed', () => {
    const copy = new Transaction().add({ kind: 'table', ...table('copy'), comment: 'everything once' });
    const moved = <T extends { readonly table: string }>(object: T): T => ({ ...object, table: 'copy' });
    for (const set of kernel.listSets(table('ours'))) if (!set.anonymous) copy.add(moved(set));
    for (const chain of kernel.listChains(table('ours'))) copy.add(moved(chain));
    for (const set of kernel.listSets(table('ours'))) {
      if (!set.anonymous) copy.addElements(moved(set), kernel.listElements(set));
    }
    for (const rule of kernel.listRules(table('ours'))) {
      // Those with an anonymous set refer to it by a name that this table does not have.
      if (!rule.expressions.some((e) => e.kind === 'lookup' && e.set.startsWith('__'))) copy.add(moved(rule));
    }
    kernel.run(copy);
    const text = run('nft', 'list', 'table', 'inet', 'copy');
    expect(text).toBe(
      sampleText
        .replace('NAME', 'copy')
        .replace(/\t\tmeta l4proto \{ tcp, udp, sctp \} .*\n/, '')
        .replace(/\t\tnumgen random mod 2 vmap \{.*\n/, ''),
    );
  });
});
