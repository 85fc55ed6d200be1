import { version } from '../package.json' with { type: 'json' };

/** `underpod version`: the versions of the executable and of the runtime inside it, and the architecture. */
export function main(args: string[]): number {
  const [first] = args;
  if (first === '--help' || first === '-h') {
    process.stdout.write(
      'usage: underpod version\nPrints the versions of underpod and of Bun, and the architecture.\n',
    );
    return 0;
  }
  if (first !== undefined) {
    process.stderr.write(`underpod version: unexpected argument "${first}": it takes none\n`);
    return 2;
  }
  process.stdout.write(
    `underpod ${version} (bun ${Bun.version}, linux/${process.arch === 'x64' ? 'amd64' : process.arch})\n`,
  );
  return 0;
}
