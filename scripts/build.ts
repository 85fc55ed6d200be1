/** `make build` and `make dist`. Usage: scripts/build.ts native|all */
import { writeFileSync } from 'node:fs';
import { ARCHITECTURES, nativeArchitecture, sha256 } from './bun-runtime.ts';
import { ensureBuilt } from './compile.ts';

const what = process.argv[2];
if (what === 'native') {
  ensureBuilt(nativeArchitecture(), console.log);
} else if (what === 'all') {
  const sums = ARCHITECTURES.map((arch) => {
    const path = ensureBuilt(arch, console.log);
    return `${sha256(path)}  ${path.replace('dist/', '')}\n`;
  }).join('');
  writeFileSync('dist/SHA256SUMS', sums);
  process.stdout.write(sums);
} else {
  console.error('usage: scripts/build.ts native|all');
  process.exit(2);
}
