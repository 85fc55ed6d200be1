/** `make build` and `make dist`. Usage: scripts/build.ts native|all [--force] */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { ARCHITECTURES, type Architecture, nativeArchitecture, sha256 } from './bun-runtime.ts';
import { compile, outputPath } from './compile.ts';

const what = process.argv[2];
if (what !== 'native' && what !== 'all') {
  console.error('usage: scripts/build.ts native|all [--force]');
  process.exit(2);
}
const force = process.argv.includes('--force');
const inputs = hashInputs();
const architectures = what === 'all' ? ARCHITECTURES : [nativeArchitecture()];
for (const arch of architectures) build(arch);
if (what === 'all') {
  const sums = ARCHITECTURES.map((arch) => `${sha256(outputPath(arch))}  underpod-linux-${arch}\n`).join('');
  writeFileSync('dist/SHA256SUMS', sums);
  process.stdout.write(sums);
}

function build(arch: Architecture): void {
  const output = outputPath(arch);
  const stamp = `build/stamps/${arch}`;
  if (!force && existsSync(output) && readIfExists(stamp) === describe(output)) return;
  const started = performance.now();
  compile(arch);
  mkdirSync('build/stamps', { recursive: true });
  writeFileSync(stamp, describe(output));
  const megabytes = (statSync(output).size / 1e6).toFixed(0);
  console.log(`${output}: ${megabytes} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** What an executable was built from, and that it is still that file. */
function describe(output: string): string {
  const { size, mtimeMs, ino } = statSync(output);
  return `${inputs} ${size} ${mtimeMs} ${ino}`;
}

/** One hash over every file that can reach the executable: sources, locked versions, the way it is built. */
function hashInputs(): string {
  const hash = new Bun.CryptoHasher('sha256');
  const sources = [...new Bun.Glob('{cni,commands,csi,cri,scripts,shared}/**/*.{ts,json}').scanSync('.')]
    .filter((path) => !path.endsWith('.test.ts'))
    .sort();
  for (const path of ['main.ts', 'package.json', 'package-lock.json', 'tsconfig.json', ...sources]) {
    hash.update(`${path}\0`).update(readFileSync(path)).update('\0');
  }
  return hash.digest('hex');
}

function readIfExists(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
