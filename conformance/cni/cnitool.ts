/** libcni's own command line, installed as its users would by the Go client. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isVm } from '../testing/slowness.ts';

const version = 'v1.3.1';
const directory = resolve(import.meta.dirname, '../../build/go-tools');

/**
 * The path of cnitool, built on first use (some seconds); `UNDERPOD_CNITOOL` names another.
 *
 * @returns undefined, with the reason printed, where there is no Go or the module cannot be had
 */
export function cnitool(): string | undefined {
  const given = process.env['UNDERPOD_CNITOOL'];
  if (given) return given;
  const file = join(directory, 'cnitool');
  if (existsSync(file)) return file;
  if (isVm) return unavailable('it was not built before the VM was started');
  if (spawnSync('go', ['version']).status !== 0) return unavailable('no Go here');
  mkdirSync(directory, { recursive: true });
  const result = spawnSync('go', ['install', `github.com/containernetworking/cni/cnitool@${version}`], {
    env: { ...process.env, GOBIN: directory },
    encoding: 'utf8',
    timeout: 120_000,
  });
  return result.status === 0 ? file : unavailable(`cnitool ${version} could not be built: ${result.stderr}`);
}

function unavailable(reason: string): undefined {
  process.stderr.write(`skipped: comparison with cnitool: ${reason}\n`);
  return undefined;
}
