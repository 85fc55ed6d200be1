/** Which tests run in the VM, and under which kernel: what they show must depend on the kernel. */
import { readFileSync } from 'node:fs';
import type { KernelVersion } from './kernel.ts';

/** Files with a network namespace of their own. */
const IN_NETNS = /freshNetns\(|enterWorld\(|TestNode\.enter\(/;

/** Files whose tests the machine's own kernel may have to skip (testing/kernel-features.ts). */
const NEEDS_FEATURES = /from '[./]+\/kernel-features\.ts'/;

/** The oldest kernel gets what reads or writes it; the rest of the product is shown by the newer one. */
const OLD_KERNEL = /^(cni\/plugins|cni\/agent|shared)\//;

/** The test files for a kernel, sorted. */
export function kernelTests(kernel: KernelVersion): string[] {
  const files: string[] = [];
  for (const path of new Bun.Glob('{cni,commands,conformance,shared}/**/*.test.ts').scanSync('.')) {
    if (path.endsWith('.ci.test.ts')) continue;
    const text = readFileSync(path, 'utf8');
    if (NEEDS_FEATURES.test(text) || (IN_NETNS.test(text) && (kernel !== '5.10' || OLD_KERNEL.test(path)))) {
      files.push(path);
    }
  }
  return files.sort();
}
