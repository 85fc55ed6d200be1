import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { KERNEL_VERSIONS } from './kernel.ts';
import { kernelTests } from './selection.ts';

test.each(KERNEL_VERSIONS)('%s gets a part of all', (kernel) => {
  const chosen = kernelTests(kernel, false);
  const all = new Set(kernelTests(kernel, true));
  expect([...all]).toContain('conformance/testing/kernel-features.test.ts');
  expect(chosen).toContain('shared/netlink/kernel.test.ts');
  expect(chosen.filter((path) => !all.has(path))).toEqual([]);
  expect(chosen.length).toBeLessThan(all.size);
  for (const path of all)
    expect(readFileSync(path, 'utf8')).toMatch(/freshNetns|enterWorld|TestNode|kernelHas/);
});

test('what needs features of the kernel is tried in CI', () => {
  const chosen = kernelTests('6.1', false);
  expect(chosen).toContain('conformance/testing/kernel-features.test.ts');
  expect(chosen).toContain('cni/plugins/common/neighbour-table.test.ts');
  for (const path of ['cni/drive.test.ts', 'docs/examples.test.ts', 'matrix/matrix.ci.test.ts'])
    expect(chosen).toContain(`conformance/${path}`);
});

test('the newer kernel gets no less than the older', () => {
  const newer = new Set(kernelTests('6.1', false));
  expect(kernelTests('5.10', false).filter((path) => !newer.has(path))).toEqual([]);
});
