import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runInVm } from './vm.ts';

const missing = ['qemu-system-x86_64', 'busybox', 'cpio', 'apt-get'].filter(
  (name) => Bun.which(name) === null,
);
if (missing.length > 0)
  console.log(`the VM is skipped: ${missing.join(', ')} missing (make test-vm installs them)`);

const run = async (script: string, timeoutMs = 120_000) => {
  let output = '';
  const outcome = await runInVm({ script, timeoutMs, onOutput: (text) => (output += text) });
  return { ...outcome, output };
};

test.skipIf(missing.length > 0)(
  'hands on output and exit code, and leaves the host alone',
  async () => {
    const probe = `build/vm-probe-${process.pid}`;
    const { code, output, release } = await run(
      `uname -r; echo changed >${probe} && cat ${probe}; touch /vm-was-here; exit 7`,
    );
    expect({ code, output }).toEqual({ code: 7, output: `${release}\nchanged\n` });
    expect(release).not.toBe(readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
    expect(existsSync(probe)).toBe(false);
    expect(existsSync('/vm-was-here')).toBe(false);
  },
  180_000,
);

test.skipIf(missing.length > 0)(
  'hands on every byte as it is, wherever the pieces begin that it comes in',
  async () => {
    const lines = 3000;
    const { output } = await run(`seq ${lines}; printf 'a\\tb\\r\\n\\303\\244'`);
    const numbers = Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join('');
    expect(output).toBe(`${numbers}a\tb\r\nä`);
  },
  180_000,
);

test.skipIf(missing.length > 0)(
  'ends when its time is over, or when its kernel dies',
  async () => {
    expect((await run('echo begun; sleep 1000', 15_000)).code).toBeUndefined();
    const { code, console: log } = await run('echo c >/proc/sysrq-trigger');
    expect(code).toBeUndefined();
    expect(log).toContain('panic');
  },
  180_000,
);
