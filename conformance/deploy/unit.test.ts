import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { AGENT_FLAGS } from '../../cni/agent/flags.ts';
import { INSTALL_FLAGS } from '../../commands/install.ts';
import { parseArguments } from '../../shared/config/flags.ts';
import { TemporaryDirectory } from '../testing/netns.ts';
import { type DaemonSet, manifestsOf, only } from './manifests.ts';

const NAME = 'underpod-agent.service';
const text = readFileSync(resolve(import.meta.dirname, `../../cni/agent/deploy/${NAME}`), 'utf8');

/** Settings of the unit; none of ours is there twice. */
const settings = new Map(
  text
    .split('\n')
    .filter((line) => /^\w+=/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);

const defaultOf = (flags: typeof AGENT_FLAGS, name: string): string =>
  flags.find((flag) => flag.name === name)?.default ?? '';

describe('the systemd unit', () => {
  const directory = new TemporaryDirectory();
  afterAll(() => directory[Symbol.dispose]());

  test('runs what `underpod install` put in place, with flags that there are', () => {
    const [path, program, ...flags] = (settings.get('ExecStart') ?? '').split(' ');
    expect(path).toBe(`${defaultOf(INSTALL_FLAGS, 'bin-dir')}/underpod`);
    expect(program).toBe('agent');
    expect(parseArguments(flags, AGENT_FLAGS).rest).toEqual([]);
  });

  test('lets the agent do what the DaemonSet does', () => {
    const [agent] = only<DaemonSet>(manifestsOf('kubeadm'), 'DaemonSet').spec.template.spec.containers;
    const names = agent.securityContext?.capabilities?.add?.map((name) => `CAP_${name}`);
    expect(settings.get('CapabilityBoundingSet')?.split(' ')).toEqual(names);
  });

  test('makes the directories that the agent has by default', () => {
    const runtime = settings
      .get('RuntimeDirectory')
      ?.split(' ')
      .map((name) => `/run/${name}`);
    expect(runtime).toContain(defaultOf(AGENT_FLAGS, 'run-dir'));
    expect(runtime).toContain(defaultOf(AGENT_FLAGS, 'subnet-file').replace(/\/[^/]*$/, ''));
    expect(`/var/lib/${settings.get('StateDirectory')}`).toBe(defaultOf(AGENT_FLAGS, 'state-dir'));
  });

  const analyze = Bun.which('systemd-analyze');
  if (analyze === null) process.stderr.write('skipped: systemd-analyze verify: there is no systemd here\n');
  test.skipIf(analyze === null)('says nothing that systemd does not understand', () => {
    // It looks for the program.
    const copy = `${directory.path}/${NAME}`;
    writeFileSync(copy, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
    const done = Bun.spawnSync([analyze ?? '', 'verify', '--man=no', copy], {
      stdout: 'pipe',
      stderr: 'pipe',
    });
    expect(done.stderr.toString() + done.stdout.toString()).toBe('');
  });
});
