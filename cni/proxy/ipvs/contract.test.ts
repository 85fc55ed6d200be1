import { describe } from 'vitest';
import { kernelContract } from './contract.ts';
import { FakeKernel } from './testing/fake-kernel.ts';

describe('the fake kernel', () => {
  for (const family of [4, 6] as const) kernelContract(family, () => new FakeKernel());
});
