import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RpcError } from '../../shared/grpc/error.ts';
import { pageOf } from './paging.ts';

const self = (item: string): string => item;
const sorted = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 })).map((list) => list.toSorted(byText));

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** All pages of a list that `change` may change after each. */
function walk(
  list: readonly string[],
  size: number,
  change = (now: readonly string[]): readonly string[] => now,
): string[] {
  const seen: string[] = [];
  let now = list;
  let token = '';
  do {
    const page = pageOf(now, self, size, token);
    seen.push(...page.items);
    if (size > 0) expect(page.items.length).toBeLessThanOrEqual(size);
    token = page.nextToken;
    now = change(now);
  } while (token !== '');
  return seen;
}

describe('pages', () => {
  test('property: together they are the list, each item once', () => {
    fc.assert(
      fc.property(sorted, fc.integer({ min: 0, max: 5 }), (list, size) => {
        expect(walk(list, size)).toEqual(list);
      }),
    );
  });

  test('property: what comes and goes between two pages costs no other item its place', () => {
    fc.assert(
      fc.property(sorted, sorted, fc.integer({ min: 1, max: 3 }), (stay, flicker, size) => {
        const both = [...new Set([...stay, ...flicker])].sort(byText);
        const seen = walk(both, size, (now) => (now === both ? stay : both));
        expect(seen.filter((item) => stay.includes(item))).toEqual(stay);
      }),
    );
  });

  test('the last page has no token, also where it is full', () => {
    expect(pageOf(['a', 'b'], self, 2, '')).toEqual({ items: ['a', 'b'], nextToken: '' });
    expect(pageOf([], self, 2, '')).toEqual({ items: [], nextToken: '' });
  });

  test('a token that no list gave', () => {
    for (const token of ['x', '0', '10', 'token'])
      try {
        pageOf(['a'], self, 1, token);
        throw new Error('it was taken');
      } catch (error) {
        expect(error).toBeInstanceOf(RpcError);
        expect((error as RpcError).code).toBe('ABORTED');
      }
  });
});
