import { describe, expect, test } from 'vitest';
import { rule } from '../build/rule.ts';
import { counter } from '../build/statement.ts';
import { NftError } from '../error.ts';
import type { Chain } from '../model/chain.ts';
import { ipv4Addr } from '../model/data-type.ts';
import type { NftSet } from '../model/set.ts';
import type { Table } from '../model/table.ts';
import { Transaction } from '../transaction.ts';
import { failure, type Subject } from './subject.ts';

const t: Table = { kind: 'table', family: 'inet', name: 't' };
const c: Chain = { kind: 'chain', family: 'inet', table: 't', name: 'c' };
const s: NftSet = { kind: 'set', family: 'inet', table: 't', name: 's', key: [ipv4Addr] };
const tx = (): Transaction => new Transaction();

export function transactions(subject: Subject): void {
  describe('transactions', () => {
    test('are made whole or not at all, and name the step that failed', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add(c)
          .add(rule(c, [counter()], 'old')),
      );
      const bad = tx()
        .flushChain(c)
        .add(rule(c, [counter()], 'new'))
        .add(s)
        .addElements(s, [{ key: Uint8Array.of(10, 0, 0, 1) }])
        .deleteChain({ ...c, name: 'missing' })
        .add({ ...c, name: 'later' });
      const error = failure(() => nft.run(bad));
      expect(error).toBeInstanceOf(NftError);
      expect((error as NftError).operation).toBe(bad.operations[4]);
      expect((error as NftError).code).toBe('ENOENT');
      expect((error as NftError).message).toContain('delete chain inet t missing');
      expect(nft.listRules(t, 'c').map(({ comment }) => comment)).toEqual(['old']);
      expect(nft.listSets(t)).toEqual([]);
      expect(nft.listChains(t)).toHaveLength(1);
    });

    test('that are empty do nothing', () => {
      const nft = subject();
      const before = nft.getGeneration();
      nft.run(tx());
      expect(nft.getGeneration()).toBe(before);
    });

    test('change the generation if they succeed', () => {
      const nft = subject();
      const before = nft.getGeneration();
      nft.run(tx().add(t));
      const after = nft.getGeneration();
      expect(after).not.toBe(before);
      failure(() => nft.run(tx().add(c).create(t)));
      expect(nft.getGeneration()).toBe(after);
    });

    test('see their own earlier steps', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add(c)
          .deleteChain(c)
          .add(c)
          .add(rule(c, [counter()], 'x'))
          .flushChain(c),
      );
      expect(nft.listChains(t)).toHaveLength(1);
      expect(nft.listRules(t)).toEqual([]);
    });
  });

  test('what does not exist is listed as nothing', () => {
    const nft = subject();
    expect(nft.listTables()).toEqual([]);
    expect(nft.listChains(t)).toEqual([]);
    expect(nft.listRules(t)).toEqual([]);
    expect(nft.listRules(t, 'c')).toEqual([]);
    expect(nft.listRuleLabels(t, 'c')).toEqual([]);
    expect(nft.listSets(t)).toEqual([]);
    expect(nft.listElements(s)).toEqual([]);
    nft.run(tx().add(t));
    expect(nft.listRules(t, 'c')).toEqual([]);
    expect(nft.listElements(s)).toEqual([]);
  });
}
