import { describe, expect, test } from 'vitest';
import { executable, idsOf, LabUnderTest, labsAvailable } from './lab-under-test.ts';

/** Debian's "nobody". */
const NOBODY = 65534;
const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

function userNamespacesAllowed(): boolean {
  const trial = [
    ...asNobody,
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    '--net',
    'mount',
    '-t',
    'tmpfs',
    'x',
    '/tmp',
  ];
  const child = Bun.spawnSync(trial, { stdout: 'ignore', stderr: 'pipe' });
  if (!child.success) {
    process.stderr.write(`skipped: lab without root: ${child.stderr.toString().trim()}\n`);
  }
  return child.success;
}

const asRoot = labsAvailable() && process.getuid?.() === 0;
if (!asRoot) process.stderr.write('skipped: lab as another user: needs root to become one\n');

describe.skipIf(!asRoot)('without root', () => {
  test.skipIf(!asRoot || !userNamespacesAllowed())('a lab lives in a user namespace', async () => {
    await using lab = new LabUnderTest('nobody', asNobody, NOBODY);
    const { rows } = await lab.up('--nodes', '2', '--firewall', 'nft', '--quick');
    expect(idsOf(rows, 'passed')).toHaveLength(rows.length);
    // iptables by nf_tables tells of changes; the legacy one, which the root's lab has, does not.
    expect(await lab.heal('forward')).toBeLessThan(1000);
    const child = lab.spawn('shell', '1', '--', 'hostname');
    expect(await child.stdout.text()).toBe('node1\n');
  });

  test('and where the kernel forbids those, the missing capability is named', async () => {
    // Root of a namespace in which there may be no further ones, without the capability that matters most.
    const confined = [
      'unshare',
      '--user',
      '--map-root-user',
      'sh',
      '-c',
      'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"',
      'sh',
    ];
    const lab = new LabUnderTest('confined', confined);
    const { code, err } = await lab.run('up', '--binary', executable());
    expect(code).toBe(1);
    expect(err).toMatch(/the lab cannot run here: .*CAP_SYS_ADMIN missing/);
    expect(err).toContain('user.max_user_namespaces');
  });
});
