/**
 * Which tests run in the VM, and under which kernel. An emulated processor is ten times slower, and a file of tests takes
 * ten seconds to be read alone, so that CI's share holds what depends on the kernel most; `--all` has everything.
 */
import { readFileSync } from 'node:fs';
import type { KernelVersion } from './kernel.ts';

/** Files with a network namespace of their own. */
const IN_NETNS = /freshNetns\(|enterWorld\(|TestNode\.enter\(/;

/** Files whose tests the machine's own kernel may have to skip (testing/kernel-features.ts): always run. */
const NEEDS_FEATURES = /from '[^']*\/kernel-features\.ts'/;

/** What reads and writes the kernel itself: under both. */
const KERNEL_ITSELF =
  /^(shared\/(netlink|nftables)|cni\/agent\/(kernel|rules)|cni\/plugins\/(bandwidth|bridge\/add|firewall\/nft))/;

/** What shows more of other programs and of files than of the kernel, and takes minutes each: not in CI's share. */
const OF_OTHER_THINGS =
  /^(cni\/plugins\/(change-over|flannel\/|firewall\/(iptables|firewalld)|host-local\/|underpod\/|process)|cni\/(runtime|agent\/serve)\/|commands\/|conformance\/(cni|kill|lab)\/)/;

/**
 * The test files for a kernel, sorted. The newer one gets all that are not of other things, the older what talks to the
 * kernel itself.
 */
export function kernelTests(kernel: KernelVersion, all: boolean): string[] {
  const files: string[] = [];
  for (const path of new Bun.Glob('{cni,commands,conformance,shared}/**/*.test.ts').scanSync('.')) {
    if (path.endsWith('.ci.test.ts')) continue;
    const text = readFileSync(path, 'utf8');
    if (NEEDS_FEATURES.test(text) || (IN_NETNS.test(text) && (all || isChosen(kernel, path))))
      files.push(path);
  }
  return files.sort();
}

function isChosen(kernel: KernelVersion, path: string): boolean {
  return kernel === '5.10' ? KERNEL_ITSELF.test(path) : !OF_OTHER_THINGS.test(path);
}
