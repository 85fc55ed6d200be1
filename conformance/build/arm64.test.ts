import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { version } from '../../package.json' with { type: 'json' };
import { debianPackage } from '../../scripts/debian-package.ts';
import { executable, type Outcome, runCommand, VERSION_CALL } from './executable.ts';

/**
 * The arm64 executable under user emulation: qemu translates its system calls one by one, so numbers and struct layouts
 * of that architecture are really used. Namespaces, netlink and nf_tables are out of its reach.
 */
const QEMU = Bun.which('qemu-aarch64-static');

function whyNot(): string | undefined {
  if (QEMU === null) return 'qemu-aarch64-static is missing (make setup)';
  try {
    debianPackage('libc6', { arch: 'arm64' });
    return undefined;
  } catch (error) {
    return `no C library for arm64: ${error instanceof Error ? error.message : error}`;
  }
}

const reason = whyNot();
if (reason !== undefined) console.log(`arm64 is skipped: ${reason}`);

describe.skipIf(reason !== undefined)('the arm64 executable', () => {
  let underpod = '';
  let state = '';

  /** The first start is slow: qemu translates Bun's own start-up. */
  const emulate = (
    args: readonly string[],
    env: Record<string, string> = {},
    calledAs = 'underpod',
    stdin = '',
  ): Outcome =>
    runCommand(
      [QEMU ?? '', '-L', debianPackage('libc6', { arch: 'arm64' }), '-0', calledAs, underpod, ...args],
      {
        env,
        stdin,
        timeoutMs: 60_000,
      },
    );

  beforeAll(() => {
    underpod = executable('arm64');
    state = mkdtempSync(`${tmpdir()}/underpod-arm64-`);
  }, 120_000);
  afterAll(() => rmSync(state, { recursive: true }));

  test('is for arm64 and tells its version', () => {
    expect(emulate(['version']).stdout).toContain(`underpod ${version} `);
    expect(emulate(['version']).stdout).toContain('linux/arm64');
  });

  test('holds the Bun that package.json names', () => {
    const { stdout } = emulate(['--version'], { BUN_BE_BUN: '1' });
    expect(stdout.trim()).toBe(JSON.parse(readFileSync('package.json', 'utf8')).engines.bun);
  });

  test('agent --help', () => {
    const { code, stdout } = emulate(['agent', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('--iface');
  });

  test.each(['bandwidth', 'bridge', 'firewall', 'flannel', 'host-local', 'loopback', 'underpod'])(
    'VERSION of type %s',
    (type) => {
      const { code, stdout } = emulate([], VERSION_CALL, type);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).supportedVersions).toContain('1.1.0');
    },
  );

  test('host-local ADD and DEL: files, locks and directories through this architecture’s calls', () => {
    const conf = JSON.stringify({
      cniVersion: '1.1.0',
      name: 'emulated',
      type: 'host-local',
      ipam: { type: 'host-local', dataDir: resolve(state), ranges: [[{ subnet: '10.1.2.0/24' }]] },
    });
    const call = (command: string): Outcome =>
      emulate(
        [],
        {
          CNI_COMMAND: command,
          CNI_CONTAINERID: 'container',
          CNI_NETNS: '/run/netns/none',
          CNI_IFNAME: 'eth0',
          CNI_PATH: '/opt/cni/bin',
        },
        'host-local',
        conf,
      );

    const added = call('ADD');
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(added.stdout).ips[0]).toMatchObject({ address: '10.1.2.2/24', gateway: '10.1.2.1' });
    expect(readFileSync(`${state}/emulated/10.1.2.2`, 'utf8')).toBe('container\r\neth0');

    expect(call('DEL')).toMatchObject({ code: 0, stdout: '' });
    expect(readdirSync(`${state}/emulated`).sort()).toEqual(['last_reserved_ip.0', 'lock']);
  });
});
