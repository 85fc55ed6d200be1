import { afterAll, describe } from 'vitest';
import { freshNetns } from '../../conformance/testing/netns.ts';
import { nftablesContract } from './contract.ts';
import { FakeNftables } from './fake.ts';
import { KernelNftables } from './kernel.ts';
import { Transaction } from './transaction.ts';

nftablesContract('the fake', () => new FakeNftables());

describe.skipIf(!freshNetns())('in a network namespace', () => {
  const kernel = KernelNftables.open();
  afterAll(() => kernel[Symbol.dispose]());

  nftablesContract('the kernel', () => {
    const clean = new Transaction();
    for (const table of kernel.listTables()) clean.deleteTable(table);
    kernel.run(clean);
    return kernel;
  });
});
