import { describe, expect, test } from 'vitest';
import { hostU32 } from '../build/bytes.ts';
import { rule } from '../build/rule.ts';
import { jump } from '../build/statement.ts';
import { isBusy, isExists, isNoSupport, isNotFound, NftError } from '../error.ts';
import type { BaseHook, Chain } from '../model/chain.ts';
import { mark } from '../model/data-type.ts';
import type { NftMap } from '../model/set.ts';
import type { Table } from '../model/table.ts';
import { Transaction } from '../transaction.ts';
import { failure, type Subject, withoutHandle } from './subject.ts';

const t: Table = { kind: 'table', family: 'inet', name: 't' };
const chain = (name: string, base?: BaseHook): Chain => ({
  kind: 'chain',
  family: 'inet',
  table: 't',
  name,
  ...(base === undefined ? {} : { base }),
});
const tx = () => new Transaction();

export function tables(subject: Subject): void {
  describe('tables', () => {
    test('are listed as they were added, by family or all of them', () => {
      const nft = subject();
      const other: Table = { ...t, family: 'ip', comment: 'naïve “comment”' };
      nft.run(tx().add(t).add(other));
      expect(withoutHandle(nft.listTables())).toEqual([t, other]);
      expect(withoutHandle(nft.listTables('ip'))).toEqual([other]);
      expect(nft.listTables('ip6')).toEqual([]);
    });

    test('add leaves an existing one alone, create refuses it', () => {
      const nft = subject();
      nft.run(
        tx()
          .add({ ...t, comment: 'first' })
          .add(chain('c')),
      );
      nft.run(tx().add({ ...t, comment: 'second' }));
      expect(withoutHandle(nft.listTables())).toEqual([{ ...t, comment: 'first' }]);
      expect(nft.listChains(t)).toHaveLength(1);
      expect(isExists(failure(() => nft.run(tx().create(t))))).toBe(true);
    });

    test('sleep and wake up', () => {
      const nft = subject();
      nft.run(tx().add({ ...t, dormant: true }));
      expect(nft.listTables()[0]?.dormant).toBe(true);
      nft.run(tx().add(t));
      expect(nft.listTables()[0]?.dormant).toBeUndefined();
    });

    test('take all that is in them along when they are deleted', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add(chain('a'))
          .add(chain('b'))
          .add(rule(chain('a'), [jump('b')])),
      );
      nft.run(tx().deleteTable(t));
      expect(nft.listTables()).toEqual([]);
      expect(nft.listChains(t)).toEqual([]);
      expect(nft.listRules(t)).toEqual([]);
    });

    test('are deleted only if they are there, destroyed in any case', () => {
      const nft = subject();
      expect(isNotFound(failure(() => nft.run(tx().deleteTable(t))))).toBe(true);
      nft.run(tx().destroyTable(t));
      nft.run(tx().add(t));
      nft.run(tx().destroyTable(t));
      expect(nft.listTables()).toEqual([]);
    });

    test('refuse a comment that nft would not take', () => {
      const nft = subject();
      expect(failure(() => nft.run(tx().add({ ...t, comment: 'x'.repeat(129) })))).toBeInstanceOf(RangeError);
      nft.run(tx().add({ ...t, comment: 'x'.repeat(128) }));
      expect(nft.listTables()[0]?.comment).toHaveLength(128);
    });
  });
}

export function chains(subject: Subject): void {
  const forward: BaseHook = { type: 'filter', hook: 'forward', priority: -5 };

  describe('chains', () => {
    test('are listed as they were added, base chains with their policy', () => {
      const nft = subject();
      const plain: Chain = { ...chain('a'), comment: 'why it is here' };
      const postrouting: Chain = chain('post', { type: 'nat', hook: 'postrouting', priority: 100 });
      nft.run(
        tx()
          .add(t)
          .add(plain)
          .add(chain('f', { ...forward, policy: 'drop' }))
          .add(postrouting),
      );
      expect(withoutHandle(nft.listChains(t))).toEqual([
        plain,
        chain('f', { ...forward, policy: 'drop' }),
        { ...postrouting, base: { ...postrouting.base, policy: 'accept' } },
      ]);
    });

    test('of another table or family are not listed', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add({ ...t, name: 'u' })
          .add({ ...t, family: 'ip' }),
      );
      nft.run(
        tx()
          .add(chain('a'))
          .add({ ...chain('b'), table: 'u' })
          .add({ ...chain('c'), family: 'ip' }),
      );
      expect(nft.listChains(t).map(({ name }) => name)).toEqual(['a']);
    });

    test('add changes the policy and nothing else', () => {
      const nft = subject();
      nft.run(tx().add(t).add(chain('f', forward)));
      nft.run(tx().add(chain('f', { ...forward, policy: 'drop' })));
      expect(nft.listChains(t)[0]?.base?.policy).toBe('drop');
      nft.run(tx().add(chain('f')));
      expect(nft.listChains(t)[0]?.base?.policy).toBe('drop');
      // EEXIST or EOPNOTSUPP, by the kernel's release.
      expect(failure(() => nft.run(tx().add(chain('f', { ...forward, priority: 7 }))))).toBeInstanceOf(
        NftError,
      );
      expect(isExists(failure(() => nft.run(tx().add(chain('g')).add(chain('g', forward)))))).toBe(true);
      expect(nft.listChains(t)).toHaveLength(1);
      expect(nft.listChains(t)[0]?.base?.priority).toBe(-5);
    });

    test('create refuses one that exists', () => {
      const nft = subject();
      nft.run(tx().create(t).create(chain('a')));
      expect(isExists(failure(() => nft.run(tx().create(chain('a')))))).toBe(true);
    });

    test('need their table', () => {
      const nft = subject();
      expect(isNotFound(failure(() => nft.run(tx().add(chain('a')))))).toBe(true);
      expect(isNotFound(failure(() => nft.run(tx().add(t).deleteChain(chain('a')))))).toBe(true);
      expect(isNotFound(failure(() => nft.run(tx().add(t).flushChain(chain('a')))))).toBe(true);
    });

    test('of type nat have no place in the forward hook', () => {
      const nft = subject();
      const add = tx()
        .add(t)
        .add(chain('n', { type: 'nat', hook: 'forward', priority: 0 }));
      expect(isNoSupport(failure(() => nft.run(add)))).toBe(true);
    });

    test('stay while a rule leads to them', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add(chain('a'))
          .add(chain('b'))
          .add(rule(chain('a'), [jump('b')])),
      );
      expect(isBusy(failure(() => nft.run(tx().deleteChain(chain('b')))))).toBe(true);
      nft.run(tx().deleteChain(chain('a')).deleteChain(chain('b')));
      expect(nft.listChains(t)).toEqual([]);
    });

    test('stay while an element leads to them', () => {
      const nft = subject();
      const map: NftMap = {
        kind: 'map',
        family: 'inet',
        table: 't',
        name: 'm',
        key: [mark],
        data: 'verdict',
      };
      const elements = [{ key: hostU32(1), data: { code: 'goto', chain: 'b' } }] as const;
      nft.run(tx().add(t).add(chain('b')).add(map).addElements(map, elements));
      expect(isBusy(failure(() => nft.run(tx().deleteChain(chain('b')))))).toBe(true);
      nft.run(tx().deleteElements(map, elements).deleteChain(chain('b')));
      expect(nft.listChains(t)).toEqual([]);
    });

    test('are destroyed whether or not they are there, rules and all', () => {
      const nft = subject();
      nft.run(
        tx()
          .add(t)
          .add(chain('f', forward))
          .add(rule(chain('f'), [])),
      );
      nft.run(tx().destroyChain(chain('f')).destroyChain(chain('g')));
      expect(nft.listChains(t)).toEqual([]);
    });
  });
}
