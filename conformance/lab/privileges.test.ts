import { describe, expect, test } from 'vitest';
import { inUserNamespace } from '../testing/netns.ts';
import { COMMAND_TIMEOUT, executable, idsOf, LabUnderTest, labsAvailable } from './lab-under-test.ts';

/** Debian's "nobody". */
const NOBODY = 65534;

/**
 * How this test becomes an ordinary user, and which: root becomes nobody, root of a user namespace an ordinary user of a
 * further one, and whoever is none of them is one already.
 */
function ordinaryUser(): { readonly prefix: readonly string[]; readonly uid: number } {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return { prefix: [], uid };
  if (inUserNamespace())
    return { prefix: ['unshare', '--user', '--map-user=1000', '--map-group=1000'], uid: 1000 };
  return { prefix: ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'], uid: NOBODY };
}

const { prefix, uid } = ordinaryUser();

/** Whoever runs the lab must get at its code: a checkout below a directory of 0700 is root's alone. */
function checkoutReachable(): boolean {
  const child = Bun.spawnSync([...prefix, 'test', '-r', import.meta.filename]);
  if (!child.success)
    process.stderr.write('skipped: lab without root: that user cannot read this checkout\n');
  return child.success;
}

function userNamespacesAllowed(): boolean {
  if (!checkoutReachable()) return false;
  const aside = ['unshare', '--user', '--map-root-user', '--mount', '--net'];
  const child = Bun.spawnSync([...prefix, ...aside, 'mount', '-t', 'tmpfs', 'x', '/tmp'], {
    stdout: 'ignore',
    stderr: 'pipe',
  });
  if (!child.success) process.stderr.write(`skipped: lab without root: ${child.stderr.toString().trim()}\n`);
  return child.success;
}

describe.skipIf(!labsAvailable())('without root', () => {
  test.skipIf(!userNamespacesAllowed())(
    'a lab lives in a user namespace',
    async () => {
      await using lab = new LabUnderTest('nobody', prefix, uid);
      const { rows } = await lab.up('--nodes', '2', '--firewall', 'nft', '--quick');
      expect(idsOf(rows, 'passed')).toHaveLength(rows.length);
      expect(await lab.heal('forward')).toBeLessThan(1000);
      // Each command is then in a user namespace of its own, and none may enter what another one made.
      if (inUserNamespace()) return;
      const child = lab.spawn('shell', '1', '--', 'hostname');
      expect(await child.stdout.text()).toBe('node1\n');
    },
    COMMAND_TIMEOUT,
  );

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
