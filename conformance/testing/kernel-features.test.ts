import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { KERNEL_FEATURES, kernelHas } from './kernel-features.ts';
import { freshNetns, ipJson } from './netns.ts';
import { isVm } from './slowness.ts';

describe.skipIf(!freshNetns())('kernel features', () => {
  test('what every supported kernel has is found, and the question leaves nothing', () => {
    expect(kernelHas('bridge', 'veth', 'vxlan', 'nftables')).toBe(true);
    expect(ipJson<{ ifname: string }[]>('link').map(({ ifname }) => ifname)).toEqual(['lo']);
  });

  test('what the kernel lacks is told, once', () => {
    const text: string[] = [];
    const write = process.stderr.write;
    process.stderr.write = (chunk: string | Uint8Array) => text.push(String(chunk)) > 0;
    try {
      const found = KERNEL_FEATURES.filter((feature) => kernelHas(feature));
      KERNEL_FEATURES.filter((feature) => kernelHas(feature));
      expect(text).toHaveLength(KERNEL_FEATURES.length - found.length);
      for (const line of text)
        expect(line).toMatch(/^skipped: this kernel lacks [a-z-]+ \(.+\); make test-vm has it\n$/);
    } finally {
      process.stderr.write = write;
    }
  });

  test.runIf(isVm)("Debian's kernels have all of them", () => {
    expect(KERNEL_FEATURES.filter((feature) => !kernelHas(feature))).toEqual([]);
    // The module came with the probe.
    expect(readFileSync('/proc/net/protocols', 'latin1')).toContain('SCTP');
  });
});
