/**
 * `make test-vm`: what depends on the kernel, once more under Debian's own: 12's, and 11's, the oldest supported.
 *
 * Usage: main.ts [--kernel=6.1|5.10] [--timeout=SECONDS] [--memory=MB] [COMMAND...]
 *
 * Without a command: the steps below, under both kernels unless one is named. A command runs under 6.1 unless one is.
 */
import { KERNEL_VERSIONS, type KernelVersion } from './kernel.ts';
import { kernelTests } from './selection.ts';
import { runInVm } from './vm.ts';

const EXECUTABLE = 'dist/underpod-linux-amd64';

/**
 * The executable gets a copy of the machine's own at the start: the guest keeps pages of what it has read, and of a file
 * that the host replaces meanwhile it would see a mixture.
 */
const OWN_COPY = `cp -p ${EXECUTABLE} ${EXECUTABLE}.copy && mv ${EXECUTABLE}.copy ${EXECUTABLE}`;

/** Outcomes only: emulated time says nothing, so limits of time are stretched (testing/slowness.ts). */
const steps = (kernel: KernelVersion): string[] => [
  OWN_COPY,
  `${EXECUTABLE} version`,
  `node_modules/.bin/bun --bun node_modules/.bin/vitest run ${kernelTests(kernel).join(' ')}`,
  'node_modules/.bin/bun --bun conformance/lab/main.ts up --nodes 3',
  'node_modules/.bin/bun --bun conformance/lab/main.ts down',
];

/** In seconds, for both kernels. */
const TIMEOUT_SECONDS = 900;

const args = process.argv.slice(2);
const flags = new Map<string, string>();
while (args[0]?.startsWith('--')) {
  const [, name = '', value = ''] = /^--([^=]*)=?(.*)$/s.exec(args.shift() ?? '') ?? [];
  if (!['kernel', 'timeout', 'memory'].includes(name)) usage(`there is no flag --${name}`);
  flags.set(name, value);
}
const kernelFlag = flags.get('kernel');
const named = KERNEL_VERSIONS.find((version) => version === kernelFlag);
if (kernelFlag !== undefined && named === undefined) usage(`there is no kernel ${kernelFlag}`);
const kernels: readonly KernelVersion[] =
  named !== undefined ? [named] : args.length > 0 ? ['6.1'] : KERNEL_VERSIONS;
const deadline = performance.now() + number('timeout', TIMEOUT_SECONDS) * 1000;
const memoryMb = number('memory', 3072);

let worst = 0;
for (const kernel of kernels) worst = Math.max(worst, await runUnder(kernel));
process.exit(worst);

/** Runs the command, or the steps, under one kernel, and returns the exit code. */
async function runUnder(kernel: KernelVersion): Promise<number> {
  const commands = args.length > 0 ? [args.join(' ')] : steps(kernel);
  const script = commands
    .map(
      (command) =>
        `echo 'vm: ${command.replaceAll("'", "'\\''")}'\n${command} || { echo "vm: exit code $?"; exit 1; }\n`,
    )
    .join('');
  const started = performance.now();
  const outcome = await runInVm({
    script,
    kernel,
    timeoutMs: Math.max(1, deadline - started),
    memoryMb,
    onOutput: (text) => process.stdout.write(text),
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  if (outcome.code === undefined) {
    process.stdout.write(outcome.console.split('\n').slice(-40).join('\n'));
    console.log(`vm: no exit code after ${seconds} s: the time was over, or the machine died (see above)`);
  }
  const verdict = outcome.code === 0 ? 'passed' : 'FAILED';
  console.log(`vm: kernel ${outcome.release}, ${commands.length} steps: ${verdict} in ${seconds} s`);
  return outcome.code ?? 1;
}

function number(flag: string, standard: number): number {
  const value = Number(flags.get(flag) ?? standard);
  if (!(value > 0)) usage(`--${flag} takes a number above 0`);
  return value;
}

function usage(problem: string): never {
  console.error(
    `${problem}\nusage: main.ts [--kernel=6.1|5.10] [--timeout=SECONDS] [--memory=MB] [COMMAND...]`,
  );
  process.exit(2);
}
