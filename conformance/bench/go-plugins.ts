/** The peers: containernetworking/plugins, installed as their users would by the Go client. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const version = 'v1.9.1';
const directory = resolve(import.meta.dirname, '../../build/go-cni-bin');

/**
 * The directory with the Go plugins, built on first use (about a minute); `UNDERPOD_GO_CNI_BIN` names another.
 *
 * @returns undefined, with the reason printed, where there is no Go
 */
export function goPlugins(): string | undefined {
  const given = process.env['UNDERPOD_GO_CNI_BIN'];
  if (given) return given;
  const marker = join(directory, `bridge`);
  if (existsSync(marker)) return directory;
  if (spawnSync('go', ['version']).status !== 0) {
    process.stderr.write('no Go here: only our side is measured\n');
    return undefined;
  }
  mkdirSync(directory, { recursive: true });
  process.stderr.write(`building the Go plugins ${version} (once) …\n`);
  const result = spawnSync(
    'go',
    ['install', `github.com/containernetworking/plugins/plugins/...@${version}`],
    {
      env: { ...process.env, GOBIN: directory },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (result.status === 0) return directory;
  process.stderr.write('the Go plugins could not be built: only our side is measured\n');
  return undefined;
}
