/**
 * Which tests run in the VM, and under which kernel. An emulated processor is ten times slower, so that CI's share are the
 * files below; `--all` is everything.
 */
import { readFileSync } from 'node:fs';
import type { KernelVersion } from './kernel.ts';

/** Files with a network namespace of their own. */
const IN_NETNS = /freshNetns\(|enterWorld\(|TestNode\.enter\(/;

/** Files whose tests the machine's own kernel may have to skip (testing/kernel-features.ts). */
const NEEDS_FEATURES = /from '[^']*\/kernel-features\.ts'/;

/** What reads and writes the kernel itself: under both. */
const KERNEL_ITSELF = new Set([
  'cni/agent/kernel/decode-event.test.ts',
  'cni/agent/kernel/linux-kernel.test.ts',
  'cni/agent/rules/own-table.test.ts',
  'cni/plugins/bridge/add.test.ts',
  // Project quotas, and ext4 that grows while it is mounted, are there only.
  'csi/local/backends/btrfs.test.ts',
  'csi/local/backends/loop.test.ts',
  'csi/local/backends/quota.test.ts',
  'shared/netlink/conntrack.test.ts',
  'shared/netlink/kernel.test.ts',
  'shared/netlink/monitor.test.ts',
  'shared/netlink/rtnetlink.test.ts',
  'shared/netlink/tc.kernel.test.ts',
  'shared/nftables/contract.test.ts',
  'shared/nftables/kernel.test.ts',
  'shared/sys/netns.test.ts',
]);

/** Slow ones, which are no part of a tier of their own here. */
const SLOW = new Set([
  'cni/proxy/change-over.ci.test.ts',
  'conformance/edge/nat.ci.test.ts',
  'conformance/matrix/matrix.ci.test.ts',
]);

/**
 * Whole plugins, those that other kernels lack beside upstream's and as their pages show them: under the newer one,
 * together with everything that needs features. The agent as a whole, host ports and the firewall, which any kernel does, are
 * left to `--all`: they took a third of the time.
 */
const PLUGINS = new Set([
  'cni/plugins/bridge/ensure-bridge.test.ts',
  'cni/plugins/bridge/gc.test.ts',
  'conformance/cni/drive.test.ts',
  'conformance/docs/examples.test.ts',
  'conformance/matrix/matrix.ci.test.ts',
]);

/** Need features, and take minutes of an emulated processor: left to `--all`. */
const PATIENT = new Set([
  'cni/agent/agent-wireguard.kernel.test.ts',
  'cni/agent/backends/data-path.kernel.test.ts',
  'cni/proxy/change-over.ci.test.ts',
  'cni/proxy/ipvs/program.kernel.test.ts',
  'conformance/edge/nat.ci.test.ts',
]);

/** The test files for a kernel, sorted. */
export function kernelTests(kernel: KernelVersion, all: boolean): string[] {
  const files: string[] = [];
  for (const path of new Bun.Glob('{cni,commands,conformance,csi,shared}/**/*.test.ts').scanSync('.')) {
    if (path.endsWith('.soak.test.ts')) continue;
    if (path.endsWith('.ci.test.ts') && !SLOW.has(path)) continue;
    const text = readFileSync(path, 'utf8');
    const needsFeatures = NEEDS_FEATURES.test(text);
    const isOfVm = needsFeatures || IN_NETNS.test(text);
    const isChosen =
      KERNEL_ITSELF.has(path) ||
      (kernel !== '5.10' && ((needsFeatures && !PATIENT.has(path)) || PLUGINS.has(path)));
    if (isOfVm && (all || isChosen)) files.push(path);
  }
  return files.sort();
}
