import { constants, copyFileSync, existsSync, statSync } from 'node:fs';
import { UsageError } from '../shared/config/usage-error.ts';
import { chmod, fsyncDirectory, fsyncFile, rename, unlinkIfExists } from '../shared/sys/file.ts';
import { parentDirectory, preparedName } from './install/layout.ts';

const USAGE = `usage: underpod copy [-f] FROM TO

Copies a file, by itself or into a directory, so that TO is at every moment the old or the new one. The image has this
under the names cp and install-conf, for the init containers of flannel's manifests.
`;

/** `underpod copy`. Exit code 0: copied; 1: not; 2: asked for something that it does not do. */
export function main(args: string[]): number {
  try {
    if (args.some((arg) => arg === '--help' || arg === '-h')) {
      process.stdout.write(USAGE);
      return 0;
    }
    const unknown = args.find((arg) => arg.startsWith('-') && arg !== '-f' && arg !== '--force');
    if (unknown !== undefined) throw new UsageError(`this cp knows -f alone, not "${unknown}"`);
    const [from, to, surplus] = args.filter((arg) => !arg.startsWith('-'));
    if (from === undefined || to === undefined || surplus !== undefined)
      throw new UsageError('give one file and where it goes');
    copyFile(from, existsSync(to) && statSync(to).isDirectory() ? `${to}/${baseName(from)}` : to);
    return 0;
  } catch (error) {
    process.stderr.write(`underpod copy: ${error instanceof Error ? error.message : error}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** A link at `to` is replaced, not followed: ours lead to the executable that the whole node runs. */
function copyFile(from: string, to: string): void {
  const part = preparedName(to);
  unlinkIfExists(part);
  try {
    copyFileSync(from, part, constants.COPYFILE_FICLONE);
    chmod(part, statSync(from).mode & 0o777);
    fsyncFile(part);
    rename(part, to);
  } catch (error) {
    unlinkIfExists(part);
    throw error;
  }
  fsyncDirectory(to.includes('/') ? parentDirectory(to) : '.');
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
