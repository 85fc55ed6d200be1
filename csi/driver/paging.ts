/** Long lists in pages. Pure. */

import { aborted } from './status.ts';

/**
 * A page of a list that is in the order of its keys. The token of the next is its first key, so that what comes or goes between
 * two pages neither shifts the rest nor ends the list.
 *
 * @param maxEntries 0: all
 * @throws RpcError ABORTED for a token that no page gave: the list is to be begun anew
 */
export function pageOf<T>(
  list: readonly T[],
  keyOf: (item: T) => string,
  maxEntries: number,
  token: string,
): { readonly items: readonly T[]; readonly nextToken: string } {
  const from = token === '' ? '' : fromToken(token);
  const begin = from === '' ? 0 : list.findIndex((item) => keyOf(item) >= from);
  const rest = begin < 0 ? [] : list.slice(begin);
  const items = maxEntries > 0 ? rest.slice(0, maxEntries) : rest;
  const next = rest[items.length];
  return { items, nextToken: next === undefined ? '' : `${MARK}${keyOf(next)}` };
}

/** By which our tokens are known. */
const MARK = 'from:';

function fromToken(token: string): string {
  if (!token.startsWith(MARK)) throw aborted(`starting_token ${JSON.stringify(token)} is of no list`);
  return token.slice(MARK.length);
}
