/**
 * `make test-vm`: what depends on the kernel, once more under Debian's own: 12's, and 11's, the oldest supported.
 *
 * Usage: main.ts [--kernel=6.1|5.10] [--timeout=SECONDS] [--memory=MB] [--processors=N] [--all|COMMAND...]
 *
 * Without a command: the steps below, under both kernels unless one is named, as many as CI has the time for, or all. A
 * command runs under 6.1 unless another is named.
 */
import { debianKernel, KERNEL_VERSIONS, type KernelVersion } from './kernel.ts';
import { kernelTests } from './selection.ts';
import { runInVm } from './vm.ts';

const EXECUTABLE = 'dist/underpod-linux-amd64';

/**
 * The executable gets a copy of the machine's own at the start: the guest keeps pages of what it has read, and of a file
 * that the host replaces meanwhile it would see a mixture.
 */
const OWN_COPY = `cp -p ${EXECUTABLE} ${EXECUTABLE}.copy && mv ${EXECUTABLE}.copy ${EXECUTABLE}`;

const VITEST =
  'UNDERPOD_TIER=vm node_modules/.bin/bun --bun node_modules/.bin/vitest run --configLoader=native';

/** Outcomes only: emulated time says nothing, so limits of time are stretched (testing/slowness.ts). */
const steps = (kernel: KernelVersion): string[] => [
  OWN_COPY,
  `${EXECUTABLE} version`,
  `${all ? '' : 'UNDERPOD_ONLY=rare '}${VITEST} ${kernelTests(kernel, all).join(' ')}`,
  // Once is enough for CI: between the oldest kernel and the machine's own there is the other one.
  ...(all || kernel === '5.10' ? lab('') : []),
  // What the machine's own kernel may lack, in every address family.
  ...(all ? BACKENDS.flatMap((backend) => lab(`--backend ${backend}`)) : []),
];

const BACKENDS = [
  'wireguard',
  ...['wireguard --ipv 4 --quick', 'wireguard --ipv 6 --quick'],
  'ipip --ipv 4',
  ...['host-gw --quick', 'host-gw --ipv 4 --quick', 'host-gw --ipv 6 --quick'],
];

function lab(flags: string): string[] {
  const main = 'node_modules/.bin/bun --bun conformance/lab/main.ts';
  // Three more programs, and thousands of connections.
  const note = 'echo "skipped: services in the lab of the VM: with --all"';
  const up = `${main} up --nodes 3 ${flags}`.trimEnd();
  return all ? [up, `${main} down`] : [note, `${up} --services=false`, `${main} down`];
}

/** In seconds, for both kernels: what .ci/run gives, less what it takes to say what went wrong. */
const TIMEOUT_SECONDS = 1230;

/** With `--all`, where nobody waits. */
const TIMEOUT_ALL_SECONDS = 7200;

const args = process.argv.slice(2);
const flags = new Map<string, string>();
let all = false;
while (args[0]?.startsWith('--')) {
  const [, name = '', value = ''] = /^--([^=]*)=?(.*)$/s.exec(args.shift() ?? '') ?? [];
  if (name === 'all') all = true;
  else if (['kernel', 'timeout', 'memory', 'processors'].includes(name)) flags.set(name, value);
  else usage(`there is no flag --${name}`);
}
const kernelFlag = flags.get('kernel');
const named = KERNEL_VERSIONS.find((version) => version === kernelFlag);
if (kernelFlag !== undefined && named === undefined) usage(`there is no kernel ${kernelFlag}`);
const kernels: readonly KernelVersion[] =
  named !== undefined ? [named] : args.length > 0 ? ['6.1'] : KERNEL_VERSIONS;
const deadline = performance.now() + number('timeout', all ? TIMEOUT_ALL_SECONDS : TIMEOUT_SECONDS) * 1000;
const memoryMb = number('memory', 3072);
const processors = number('processors', 2);

let worst = 0;
for (const kernel of kernels) {
  const reason = kernel === named || kernel === '6.1' ? undefined : unavailable(kernel);
  if (reason === undefined) worst = Math.max(worst, await runUnder(kernel));
  else console.log(`vm: kernel ${kernel} is skipped: ${reason}`);
}
process.exit(worst);

/** Why an older release's kernel cannot be had: mirrors drop releases some time after their end. */
function unavailable(kernel: KernelVersion): string | undefined {
  try {
    debianKernel(kernel);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Runs the command, or the steps, under one kernel, and returns the exit code. */
async function runUnder(kernel: KernelVersion): Promise<number> {
  const commands = args.length > 0 ? [args.join(' ')] : steps(kernel);
  const script = `failed=0\n${commands.map(scriptOf).join('')}exit $failed\n`;
  const started = performance.now();
  const outcome = await runInVm({
    script,
    kernel,
    timeoutMs: Math.max(1, deadline - started),
    memoryMb,
    processors,
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

/** A command as a part of the script that says what it does and took, and goes on to the next whatever comes of it. */
function scriptOf(command: string): string {
  return [
    `echo 'vm: ${command.replaceAll("'", "'\\''")}'; begin=$(date +%s)`,
    `${command} || { echo "vm: exit code $?"; failed=1; }`,
    'echo "vm: that took $(($(date +%s) - begin)) s"\n',
  ].join('\n');
}

function number(flag: string, standard: number): number {
  const value = Number(flags.get(flag) ?? standard);
  if (!(value > 0)) usage(`--${flag} takes a number above 0`);
  return value;
}

function usage(problem: string): never {
  console.error(
    `${problem}\nusage: main.ts [--kernel=6.1|5.10] [--timeout=SECONDS] [--memory=MB] [--processors=N] [--all|COMMAND...]`,
  );
  process.exit(2);
}
