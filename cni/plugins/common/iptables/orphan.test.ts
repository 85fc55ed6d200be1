/** A program of iptables' that still runs when the plugin that started it has been killed. */

import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { coverWithTmpfs } from '../../../../conformance/testing/netns.ts';
import { isLocked } from '../../../../shared/sys/lock.ts';
import type { Container, Json } from '../../testing/node.ts';
import { list, run, TestNode } from '../../testing/node.ts';
import { lockPath } from '../attachment-lock.ts';

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

const programs = ['iptables', 'ip6tables'].flatMap((name) => [`${name}-save`, `${name}-restore`]);

/** Where Debian decides which kind of iptables the host's is. */
const alternatives = '/etc/alternatives';
const slow = '/run/slow-restore';

const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }];
const types: [string, Json][] = [
  ['firewall', { backend: 'iptables' }],
  ['portmap', { backend: 'iptables', runtimeConfig: { portMappings } }],
];

/** iptables-restore says that it has begun, and then waits for a word, as it would for the lock of legacy tables. */
function slowDown(): void {
  coverWithTmpfs(alternatives);
  for (const program of programs)
    symlinkSync(
      program === 'iptables-restore' ? slow : `/usr/sbin/${program.replace('-', '-nft-')}`,
      `${alternatives}/${program}`,
    );
  run('mkfifo', '/run/begun', '/run/word');
  const script = `#!/bin/sh\necho begun >/run/begun\nread _ </run/word\nexec /usr/sbin/iptables-nft-restore "$@"\n`;
  writeFileSync(slow, script, { mode: 0o755 });
}

function call(command: 'ADD' | 'DEL', conf: Json, pod: Container): Bun.Subprocess<Uint8Array, 'pipe'> {
  return Bun.spawn(
    [process.execPath, join(import.meta.dirname, '../../testing/run-plugin.ts'), String(conf['type'])],
    {
      env: {
        PATH: process.env['PATH'],
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod.id,
        CNI_NETNS: pod.netns,
        CNI_IFNAME: pod.ifname,
        CNI_PATH: '/nonexistent',
      },
      stdin: new TextEncoder().encode(JSON.stringify(conf)),
      stdout: 'pipe',
    },
  );
}

const text = (fifo: string): Promise<string> =>
  new Response(Bun.spawn(['timeout', '20', 'cat', fifo], { stdout: 'pipe' }).stdout).text();

test.skipIf(!node || !existsSync(`${alternatives}/iptables-restore`)).each(types)(
  '%s: DEL after the kill waits for it, and leaves nothing',
  async (type, keys) => {
    const pod = node.container();
    const conf = {
      cniVersion: '1.0.0',
      name: 'net',
      type,
      ...keys,
      prevResult: {
        cniVersion: '1.0.0',
        interfaces: [{ name: 'br0' }, { name: 'veth0' }, { name: 'eth0', sandbox: pod.netns }],
        ips: [{ address: '10.1.0.5/24', interface: 2 }],
      },
    };
    if (!existsSync(slow)) slowDown();
    const rules = (): string[] => run('iptables-nft-save').match(/^-A .*(10\.1\.0\.5|CNI-DN-).*$/gm) ?? [];
    const begun = text('/run/begun');
    const add = call('ADD', conf, pod);
    expect(await begun).toBe('begun\n');
    add.kill('SIGKILL');
    await add.exited;
    expect(isLocked(lockPath({ network: 'net', containerId: pod.id, ifname: 'eth0' }))).toBe(true);
    expect(rules()).toEqual([]);
    const del = call('DEL', conf, pod);
    writeFileSync('/run/word', 'go\n');
    expect(await del.exited).toBe(0);
    expect(rules()).toEqual([]);
    expect(node.locks()).toEqual([]);
    expect(list('/run/underpod/firewall')).toEqual([]);
  },
);
