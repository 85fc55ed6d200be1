import { pluginTypes } from '../cni/plugins/registry.ts';
import { type ChainStyle, conflist } from '../cni/plugins/underpod/conflist.ts';
import { type FlagSpec, formatFlags, parseArguments } from '../shared/config/flags.ts';
import { Settings } from '../shared/config/settings.ts';
import { UsageError } from '../shared/config/usage-error.ts';
import { digestFile, openDisk } from './install/disk.ts';
import { reportFailure } from './install/failure.ts';
import { FLAGS_ONLY } from './install/flags-only.ts';
import type { Layout } from './install/layout.ts';
import { planInstall } from './install/plan-install.ts';
import { run } from './install/run.ts';

/** Flags of `underpod install`. */
export const INSTALL_FLAGS: readonly FlagSpec[] = [
  {
    name: 'bin-dir',
    kind: 'string',
    default: '/usr/local/bin',
    value: 'DIR',
    help: 'where the executable goes',
  },
  {
    name: 'cni-bin-dir',
    kind: 'string',
    default: '/opt/cni/bin',
    value: 'DIR',
    help: 'where runtimes look for plugins',
  },
  {
    name: 'cni-conf-dir',
    kind: 'string',
    default: '/etc/cni/net.d',
    value: 'DIR',
    help: 'where runtimes look for the network configuration',
  },
  {
    name: 'conflist',
    kind: 'boolean',
    default: 'true',
    help: 'write 10-underpod.conflist, set aside those that win over it',
  },
  {
    name: 'chain',
    kind: 'string',
    default: 'single',
    choices: ['single', 'classic'],
    value: 'single|classic',
    help: 'what it holds: type underpod for everything, or flannel, portmap, bandwidth',
  },
  { name: 'root', kind: 'string', value: 'DIR', help: 'install below this directory, for an image' },
  { name: 'dry-run', kind: 'boolean', help: 'say what would be done' },
];

const USAGE = `usage: underpod install [FLAGS]

Puts this executable, a link for each CNI plugin type (${pluginTypes.join(', ')}) and the
network configuration in place. Plugins and configurations that are there already and would win are set aside;
'underpod uninstall' puts them back. It can be run again at any time, after a crash or to upgrade.

${formatFlags(INSTALL_FLAGS)}
`;

/** `underpod install`. Exit code 0: in place; 1: stopped half-way; 2: refused, nothing was changed. */
export async function main(args: string[]): Promise<number> {
  try {
    const { values, rest, help } = parseArguments(args, INSTALL_FLAGS);
    if (help) {
      process.stdout.write(USAGE);
      return 0;
    }
    if (rest[0] !== undefined)
      throw new UsageError(`unexpected argument "${rest[0]}"; --help lists the flags`);
    const settings = new Settings(INSTALL_FLAGS, { flags: values, ...FLAGS_ONLY });
    const source = executable();
    const layout = layoutOf(settings);
    const wanted = {
      layout,
      types: pluginTypes,
      source: { path: source, digest: await digestFile(source) },
      conflist: settings.boolean('conflist') ? conflist(settings.string('chain') as ChainStyle) : undefined,
    };
    const disk = openDisk(settings.string('root').replace(/\/+$/, ''));
    const dryRun = settings.boolean('dry-run');
    const print = (line: string): boolean => process.stdout.write(`${line}\n`);
    const changed = await run(disk, (previous) => planInstall(disk, wanted, previous), { dryRun, print });
    if (!changed) process.stdout.write('everything is in place already\n');
    else if (!dryRun) process.stdout.write("installed; now run 'underpod agent' on every node\n");
    return 0;
  } catch (error) {
    return reportFailure('install', error);
  }
}

/** Where the settings say that things go. @throws UsageError for places that do not do */
export function layoutOf(settings: Settings): Layout {
  const directory = (flag: string): string => {
    const path = settings.string(flag);
    if (!path.startsWith('/')) throw new UsageError(`--${flag}=${path}: give an absolute path`);
    return path.replace(/\/+$/, '');
  };
  const layout = {
    binary: `${directory('bin-dir')}/underpod`,
    cniBinDir: directory('cni-bin-dir'),
    cniConfDir: directory('cni-conf-dir'),
  };
  if (layout.binary === `${layout.cniBinDir}/underpod`) {
    throw new UsageError(
      `--bin-dir and --cni-bin-dir are both ${layout.cniBinDir}: keep the executable elsewhere, or whoever copies a plugin ` +
        'over its link (cp follows links, as in the init container of flannel) writes over all of them',
    );
  }
  return layout;
}

/** The executable that runs now. Uncompiled there is none to install, only Bun. */
function executable(): string {
  if (!Bun.main.startsWith('/$bunfs/')) {
    throw new UsageError(
      "this is not the compiled executable: 'make build', then dist/underpod-linux-… install",
    );
  }
  return process.execPath;
}
