/** `make build` and `make dist`. Usage: scripts/build.ts native|all */
import { writeFileSync } from 'node:fs';
import { ARCHITECTURES, nativeArchitecture, sha256 } from './bun-runtime.ts';
import { ensureBuilt } from './compile.ts';

function main(what: string | undefined): number {
  if (what === 'native') {
    ensureBuilt(nativeArchitecture(), console.log);
    return 0;
  }
  if (what === 'all') {
    const sums = ARCHITECTURES.map((arch) => {
      const path = ensureBuilt(arch, console.log);
      return `${sha256(path)}  ${path.replace('dist/', '')}\n`;
    }).join('');
    writeFileSync('dist/SHA256SUMS', sums);
    process.stdout.write(sums);
    return 0;
  }
  console.error('usage: scripts/build.ts native|all');
  return 2;
}

try {
  process.exitCode = main(process.argv[2]);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
