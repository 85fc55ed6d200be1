import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasIptables } from '../../firewall/iptables-programs.ts';
import { read, TestNode } from '../../testing/node.ts';
import { lockAttachment, lockPath } from '../attachment-lock.ts';
import { iptablesFamilies } from '../iptables-leftovers.ts';
import { removeLeftovers } from '../iptables-masquerade.ts';
import { findIptables, saveTable } from './programs.ts';

const node = TestNode.enter() as TestNode;
const path = process.env['PATH'];
const directory = '/run/other-iptables';
const inherited = '/run/inherited';
const [v4] = iptablesFamilies;
if (!v4) throw new Error('no IPv4');

describe.skipIf(!node)('iptables’ programs', () => {
  beforeEach(() => {
    mkdirSync(directory, { recursive: true });
    const script = `#!/bin/sh\n/usr/bin/readlink /proc/self/fd/* >>${inherited}\nexit 0\n`;
    for (const name of ['iptables-save', 'iptables-restore', 'iptables-legacy-save'])
      writeFileSync(`${directory}/${name}`, script, { mode: 0o755 });
    writeFileSync(inherited, '');
    process.env['PATH'] = directory;
  });
  afterEach(() => {
    process.env['PATH'] = path;
    node.reset();
  });

  test('are the first ones in PATH, then those of the usual places, for all plugins', () => {
    expect(findIptables(v4, 'save', 'host')).toBe(`${directory}/iptables-save`);
    expect(findIptables(v4, 'save', 'legacy')).toBe(`${directory}/iptables-legacy-save`);
    process.env['PATH'] = 'relative::/nowhere';
    expect(findIptables(v4, 'save', 'host')).not.toContain(directory);
    expect(hasIptables(4)).toBe(findIptables(v4, 'restore', 'host') !== undefined);
  });

  const legacy = { inNft: [], inLegacy: [v4] };
  test.each([
    ['any', () => saveTable(v4, 'filter', 'host')],
    ['of masquerade', () => removeLeftovers(undefined, 'net', 'c1', legacy)],
  ])('hold the attachment’s lock: %s', async (_, start) => {
    const key = { network: 'net', containerId: 'c1', ifname: 'eth0' };
    using _lock = lockAttachment(key);
    await start();
    expect(read(inherited)).toContain(lockPath(key));
  });
});
