/** Two nodes with a bad line between them: what the agents built stays, and carries packets as soon as the line does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { executable } from '../build/executable.ts';
import { coverWithTmpfs, freshNetns, run, TemporaryDirectory } from '../testing/netns.ts';
import type { Line } from './relay.ts';

const available = freshNetns() && existsSync('/dev/net/tun');

const NODES = { a: '192.0.2.1', b: '192.0.2.2' } as const;
type Node = keyof typeof NODES;
const names = Object.keys(NODES) as Node[];

const LIMIT_MS = 20_000;

async function until(what: string, such: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!such()) {
    if (performance.now() > deadline) throw new Error(`not so in ${LIMIT_MS} ms: ${what}`);
    await Bun.sleep(20);
  }
}

describe.skipIf(!available)('over a bad line', () => {
  const directory = new TemporaryDirectory();
  const children: ChildProcess[] = [];
  let relay: ChildProcess;
  let said = '';

  const start = (command: readonly string[], env: Record<string, string> = {}): ChildProcess => {
    const [program = '', ...args] = ['setpriv', '--pdeathsig=KILL', ...command];
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    children.push(child);
    return child;
  };
  const line = async (next: Line): Promise<void> => {
    const changes = (): number => said.split('changed').length;
    const before = changes();
    relay.stdin?.write(`${JSON.stringify(next)}\n`);
    await until('the line has changed', () => changes() > before);
  };
  const on = (node: Node, ...command: string[]): string => run('ip', 'netns', 'exec', node, ...command);
  const subnetOf = (node: Node): string | undefined => {
    const path = `${directory.path}/${node}/subnet.env`;
    return existsSync(path) ? /FLANNEL_SUBNET=(.*)/.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
  };
  const podOf = (node: Node): string => subnetOf(node)?.replace(/\/.*/, '') ?? '';
  /** True if a pod of `a` hears from one of `b`. */
  const answers = (): boolean => {
    try {
      on('a', 'ping', '-q', '-c', '1', '-W', '1', '-I', podOf('a'), podOf('b'));
      return true;
    } catch {
      return false;
    }
  };
  /** What the agents hold in the kernel for each other. */
  const held = (): string =>
    names
      .map((node) =>
        [
          run('ip', '-n', node, 'route', 'show', 'proto', '93'),
          run('ip', '-n', node, 'neighbour', 'show', 'dev', 'flannel.1', 'nud', 'permanent'),
          run('bridge', '-n', node, 'fdb', 'show', 'dev', 'flannel.1'),
        ].join(''),
      )
      .join('');

  beforeAll(async () => {
    const underpod = executable();
    coverWithTmpfs('/run');
    mkdirSync('/run/netns');
    for (const node of names) run('ip', 'netns', 'add', node);
    relay = start([process.execPath, resolve(import.meta.dirname, 'relay.ts'), ...names]);
    relay.stdout?.on('data', (piece: Buffer) => {
      said += piece.toString();
    });
    relay.stderr?.on('data', (piece: Buffer) => process.stderr.write(piece));
    await until('the relay is ready', () => said.includes('ready'));
    writeFileSync(`${directory.path}/net-conf.json`, JSON.stringify({ Network: '10.244.0.0/16' }));
    for (const node of names) {
      const own = `${directory.path}/${node}`;
      mkdirSync(own);
      for (const args of [
        'link set lo up',
        `address add ${NODES[node]}/24 dev eth0`,
        'link set eth0 up',
        'route add default via 192.0.2.254',
      ])
        run('ip', '-n', node, ...args.split(' '));
      start(
        [
          ...['ip', 'netns', 'exec', node, underpod, 'agent', '--metrics-port=0'],
          ...[`--store=${directory.path}/store.db`, `--net-config-path=${directory.path}/net-conf.json`],
          ...[`--state-dir=${own}`, `--run-dir=${own}/run`, `--subnet-file=${own}/subnet.env`],
        ],
        { NODE_NAME: node },
      );
    }
    await until('both nodes know each other', () =>
      names.every((node) => subnetOf(node) && run('ip', '-n', node, 'route', 'show', 'proto', '93') !== ''),
    );
    for (const node of names) run('ip', '-n', node, 'address', 'add', `${podOf(node)}/32`, 'dev', 'lo');
    await until('pods talk', answers);
  }, 150_000);
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    directory[Symbol.dispose]();
  });

  test('with delay and loss pods talk, late, and nothing of the peer is touched', async () => {
    const before = held();
    await line({ delay: 100, loss: 0.1 });
    const report = on('a', 'ping', '-q', '-c', '30', '-i', '0.05', '-W', '3', '-I', podOf('a'), podOf('b'));
    await line({ delay: 0, loss: 0 });
    const [, received] = /, (\d+) received/.exec(report) ?? [];
    const [, least] = /= ([\d.]+)\//.exec(report) ?? [];
    expect(Number(received)).toBeGreaterThan(15);
    expect(Number(received)).toBeLessThan(30);
    expect(Number(least)).toBeGreaterThanOrEqual(200);
    expect(held()).toBe(before);
  }, 60_000);

  test('a line that comes and goes takes nothing with it', async () => {
    const before = held();
    const monitor = start(['ip', '-n', 'a', 'monitor', 'route']);
    let changes = '';
    monitor.stdout?.on('data', (piece: Buffer) => {
      changes += piece.toString();
    });
    for (let n = 0; n < 5; n++) {
      await line({ delay: 5, loss: 1 });
      expect(answers()).toBe(false);
      expect(held()).toBe(before);
      await line({ delay: 5, loss: 0 });
      await until('pods talk again', answers);
    }
    monitor.kill();
    expect(changes).not.toContain('proto 93');
    expect(held()).toBe(before);
  }, 60_000);

  test('an interface that comes and goes, with its routes, takes nothing of the peers with it', async () => {
    const before = held();
    for (let n = 0; n < 3; n++) {
      run('ip', '-n', 'a', 'link', 'set', 'eth0', 'down');
      expect(run('ip', '-n', 'a', 'route', 'show', 'proto', '93')).not.toBe('');
      run('ip', '-n', 'a', 'link', 'set', 'eth0', 'up');
      run('ip', '-n', 'a', 'route', 'add', 'default', 'via', '192.0.2.254');
      await until('pods talk again', answers);
    }
    expect(held()).toBe(before);
  }, 60_000);

  test('the smaller MTU of a VPN is followed, by the tunnel and by what new pods get', async () => {
    run('ip', '-n', 'a', 'link', 'set', 'eth0', 'mtu', '1280');
    await until('the tunnel follows', () =>
      run('ip', '-n', 'a', 'link', 'show', 'flannel.1').includes('mtu 1230'),
    );
    await until('subnet.env follows', () =>
      readFileSync(`${directory.path}/a/subnet.env`, 'utf8').includes('FLANNEL_MTU=1230'),
    );
    await until('pods talk', answers);
  }, 60_000);
});
