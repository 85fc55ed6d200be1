/**
 * `make test-vm`: what depends on the kernel, once more under Debian's own.
 *
 * Usage: main.ts [--timeout=SECONDS] [--memory=MB] [COMMAND...]   Without a command: the steps below.
 */
import { readFileSync } from 'node:fs';
import { runInVm } from './vm.ts';

/** Test files that have a network namespace of their own: what they show depends on the kernel. */
function kernelTests(): string[] {
  return [...new Bun.Glob('{cni,commands,conformance,shared}/**/*.test.ts').scanSync('.')]
    .filter(
      (path) => !path.endsWith('.ci.test.ts') && /freshNetns\(|enterWorld\(/.test(readFileSync(path, 'utf8')),
    )
    .sort();
}

const EXECUTABLE = 'dist/underpod-linux-amd64';

/**
 * The executable gets a copy of the machine's own at the start: the guest keeps pages of what it has read, and of a file
 * that the host replaces meanwhile it would see a mixture.
 */
const OWN_COPY = `cp -p ${EXECUTABLE} ${EXECUTABLE}.copy && mv ${EXECUTABLE}.copy ${EXECUTABLE}`;

/** Outcomes only: emulated time says nothing, so limits of time are stretched (testing/slowness.ts). */
const STEPS = [
  OWN_COPY,
  `${EXECUTABLE} version`,
  `node_modules/.bin/bun --bun node_modules/.bin/vitest run ${kernelTests().join(' ')}`,
  'node_modules/.bin/bun --bun conformance/lab/main.ts up --nodes 3',
  'node_modules/.bin/bun --bun conformance/lab/main.ts down',
];

/** In seconds. On two cores that others kept busy as well the tests took 580 of them, the lab 105 to 150. */
const TIMEOUT_SECONDS = 900;

const args = process.argv.slice(2);
/** The value of a flag before the command, taken out. */
function flag(name: string, standard: number): number {
  const prefix = `--${name}=`;
  return args[0]?.startsWith(prefix) ? Number(args.shift()?.slice(prefix.length)) : standard;
}
const timeoutMs = flag('timeout', TIMEOUT_SECONDS) * 1000;
const memoryMb = flag('memory', 3072);
const steps = args.length > 0 ? [args.join(' ')] : STEPS;
const script = steps
  .map(
    (step) =>
      `echo 'vm: ${step.replaceAll("'", "'\\''")}'\n${step} || { echo "vm: exit code $?"; exit 1; }\n`,
  )
  .join('');

const started = performance.now();
const {
  code,
  console: kernelLog,
  release,
} = await runInVm({
  script,
  timeoutMs,
  memoryMb,
  onOutput: (text) => process.stdout.write(text),
});
const seconds = ((performance.now() - started) / 1000).toFixed(0);
if (code === undefined) {
  process.stdout.write(kernelLog.split('\n').slice(-40).join('\n'));
  console.log(`vm: no exit code after ${seconds} s: the time was over, or the machine died (see above)`);
}
console.log(
  `vm: kernel ${release}, ${steps.length} steps: ${code === 0 ? 'passed' : 'FAILED'} in ${seconds} s`,
);
process.exit(code ?? 1);
