import { type FlagSpec, formatFlags, parseArguments } from '../shared/config/flags.ts';
import { Settings } from '../shared/config/settings.ts';
import { UsageError } from '../shared/config/usage-error.ts';
import { openDisk } from './install/disk.ts';
import { reportFailure } from './install/failure.ts';
import { FLAGS_ONLY } from './install/flags-only.ts';
import { planUninstall } from './install/plan-uninstall.ts';
import { run } from './install/run.ts';

const FLAGS: readonly FlagSpec[] = [
  { name: 'root', kind: 'string', value: 'DIR', help: 'the directory that was given to install' },
  { name: 'dry-run', kind: 'boolean', help: 'say what would be done' },
];

const USAGE = `usage: underpod uninstall [FLAGS]

Takes away what 'underpod install' put in place and puts back what it had set aside. State in /var/lib/underpod and
running pods are left alone; stop the agent first.

${formatFlags(FLAGS)}
`;

/** `underpod uninstall`. Exit code 0: gone, or was never there; 1: stopped half-way; 2: refused. */
export async function main(args: string[]): Promise<number> {
  try {
    const { values, rest, help } = parseArguments(args, FLAGS);
    if (help) {
      process.stdout.write(USAGE);
      return 0;
    }
    if (rest[0] !== undefined)
      throw new UsageError(`unexpected argument "${rest[0]}"; --help lists the flags`);
    const settings = new Settings(FLAGS, { flags: values, ...FLAGS_ONLY });
    const disk = openDisk(settings.string('root').replace(/\/+$/, ''));
    const dryRun = settings.boolean('dry-run');
    const print = (line: string): boolean => process.stdout.write(`${line}\n`);
    const changed = await run(
      disk,
      async (record) => (record === undefined ? { steps: [], notes: [] } : await planUninstall(disk, record)),
      { dryRun, print },
    );
    if (!changed) process.stdout.write('underpod is not installed here\n');
    else if (!dryRun) process.stdout.write('uninstalled\n');
    return 0;
  } catch (error) {
    return reportFailure('uninstall', error);
  }
}
