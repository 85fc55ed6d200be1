import { spawn, spawnSync } from 'node:child_process';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { kernelHas } from '../../../conformance/testing/kernel-features.ts';
import { network } from '../testing/bridge.ts';
import { type Container, type Json, run, TestNode } from '../testing/node.ts';

/**
 * SCTP through a host port. Neither Node nor Bun has its sockets: socat has, and its server's shell is told the address
 * of whoever connects.
 */

const node = TestNode.enter() as TestNode;
afterEach(() => node?.reset());

const socat = spawnSync('socat', ['-V']).status === 0;
if (!socat) process.stderr.write('skipped: SCTP through host ports: no socat (Debian package socat)\n');

const mapping = { hostPort: 8080, containerPort: 80, protocol: 'sctp' };

/** A client outside of the node, at 192.0.2.2; the node has .1. */
function outside(): Container {
  const client = node.container();
  run('ip', 'link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', client.id);
  run('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'out0');
  run('ip', 'link', 'set', 'out0', 'up');
  run('ip', '-n', client.id, 'address', 'add', '192.0.2.2/24', 'dev', 'eth0');
  run('ip', '-n', client.id, 'link', 'set', 'eth0', 'up');
  return client;
}

/** What the pod's server answers to a connection made in `from` (undefined: the node): the address it sees, or ''. */
function ask(from: Container | undefined, host: string): string {
  const prefix = from ? ['ip', 'netns', 'exec', from.id] : [];
  const command = [...prefix, 'timeout', '20', 'socat', '-T', '5', '-u', `SCTP4-CONNECT:${host}:8080`, '-'];
  return spawnSync(command[0] as string, command.slice(1), { encoding: 'utf8' }).stdout.trim();
}

describe.skipIf(!node || !socat || !kernelHas('sctp'))('SCTP host port', () => {
  beforeAll(() => {
    run('ip', 'link', 'set', 'lo', 'up');
  });

  test.each(['nftables', 'iptables'])(
    '%s: from outside, from the node, and no more after DEL',
    async (backend) => {
      const client = outside();
      const net = network({ isDefaultGateway: true, hairpinMode: true, cniVersion: '1.0.0' }, [
        [{ subnet: '10.99.0.0/24' }],
      ]);
      const pod = node.container();
      const result = await node.ok('ADD', net, pod);
      const { cniVersion, name } = net;
      const runtimeConfig = { portMappings: [mapping] };
      const conf = { cniVersion, name, type: 'portmap', backend, runtimeConfig, prevResult: result };
      await node.ok('ADD', conf, pod);
      const address = '-d -d SCTP4-LISTEN:80,fork,reuseaddr'.split(' ');
      const server = spawn(
        'ip',
        ['netns', 'exec', pod.id, 'socat', ...address, 'SYSTEM:echo $SOCAT_PEERADDR'],
        {
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      );
      try {
        // It says so at its second level of messages.
        for await (const line of server.stderr) if (String(line).includes('listening')) break;
        const gateway = String((result['ips'] as Json[])[0]?.['gateway']);
        expect(ask(client, '192.0.2.1')).toBe('192.0.2.2');
        expect(ask(undefined, '127.0.0.1')).toBe(gateway);
        await node.ok('DEL', conf, pod);
        expect(ask(client, '192.0.2.1')).toBe('');
      } finally {
        server.kill('SIGKILL');
      }
    },
    120_000,
  );
});
