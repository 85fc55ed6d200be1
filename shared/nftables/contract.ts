import { describe } from 'vitest';
import { chains, tables } from './contract/chains-contract.ts';
import { rules } from './contract/rules-contract.ts';
import { elements, sets } from './contract/sets-contract.ts';
import type { Subject } from './contract/subject.ts';
import { transactions } from './contract/transactions-contract.ts';

/**
 * What every implementation of Nftables does. Run against the kernel and against the fake.
 *
 * @param subject gives an empty packet filter at the start of every test
 */
export function nftablesContract(name: string, subject: Subject): void {
  describe(name, () => {
    tables(subject);
    chains(subject);
    rules(subject);
    sets(subject);
    elements(subject);
    transactions(subject);
  });
}
