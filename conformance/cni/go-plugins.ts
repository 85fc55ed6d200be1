/** The peers: containernetworking/plugins, installed as their users would by the Go client. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { resolve } from 'node:path';

const version = 'v1.9.1';
const directory = resolve(import.meta.dirname, '../../build/go-cni-bin');

/**
 * The directory with the Go plugins, built on first use (a minute or two); `UNDERPOD_GO_CNI_BIN` names another.
 *
 * @returns undefined, with the reason printed, where there is no Go
 */
export function buildGoPlugins(): string | undefined {
  const given = process.env['UNDERPOD_GO_CNI_BIN'];
  if (given) return given;
  if (existsSync(directory)) return directory;
  if (spawnSync('go', ['version']).status !== 0) {
    process.stderr.write('no Go here, so no Go plugins to compare with\n');
    return undefined;
  }
  // Under another name until all are there: who is stopped half-way leaves no half a directory.
  const unfinished = `${directory}.part`;
  mkdirSync(unfinished, { recursive: true });
  process.stderr.write(`building the Go plugins ${version} (once) …\n`);
  const result = spawnSync(
    'go',
    ['install', `github.com/containernetworking/plugins/plugins/...@${version}`],
    {
      env: { ...process.env, GOBIN: unfinished },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (result.status !== 0) {
    process.stderr.write('the Go plugins could not be built\n');
    return undefined;
  }
  renameSync(unfinished, directory);
  return directory;
}
