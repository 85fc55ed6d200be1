import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import type { Container, Json } from '../testing/node.ts';
import { goPlugins, list, read, run, TestNode } from '../testing/node.ts';
import { recordDirectory } from './record.ts';

const node = TestNode.enter() as TestNode;
const go = goPlugins();
const busSocket = '/run/dbus/system_bus_socket';
const log = '/run/dbus/calls';

/** A process that says when it is ready. */
class Child {
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;

  constructor(program: string, ...args: string[]) {
    this.#process = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#exited = new Promise((done) => this.#process.once('exit', () => done()));
  }

  async until(wanted: string): Promise<void> {
    if (!this.#process.stdout) throw new Error('no stdout');
    for await (const line of createInterface(this.#process.stdout)) if (line.startsWith(wanted)) return;
    throw new Error(`ended without "${wanted}"`);
  }

  async end(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exited;
  }
}

const children: Child[] = [];
const fake = resolve(import.meta.dirname, 'testing/fake-firewalld.ts');

async function start(line: string, program: string, ...args: string[]): Promise<Child> {
  const child = new Child(program, ...args);
  children.push(child);
  await child.until(line);
  return child;
}

afterEach(async () => {
  for (const child of children.splice(0).reverse()) await child.end();
  if (!node) return;
  run('rm', '-rf', '/run/dbus');
  node.reset();
});

const hasDbus = spawnSync('dbus-daemon', ['--version']).status === 0;
if (!hasDbus) process.stderr.write('skipped: tests with a real D-Bus: there is no dbus-daemon\n');

/** Bus and firewalld in one, or on a real bus. */
async function startFirewalld(kind: string): Promise<Child> {
  mkdirSync('/run/dbus', { recursive: true });
  if (kind === 'scripted') return start('ready', process.execPath, fake, 'bus', busSocket, log);
  writeFileSync(
    '/run/dbus/system.conf',
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
      "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
    <busconfig><type>system</type><listen>unix:path=${busSocket}</listen><auth>EXTERNAL</auth>
    <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
    <allow eavesdrop="false"/></policy></busconfig>`,
  );
  await start('unix:', 'dbus-daemon', '--config-file=/run/dbus/system.conf', '--nofork', '--print-address=1');
  return start('ready', process.execPath, fake, 'service', busSocket, log);
}

function firewall(pod: Container, more: Json = {}): Json {
  return {
    cniVersion: '1.0.0',
    name: 'net',
    type: 'firewall',
    prevResult: {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'br0' }, { name: 'eth0', sandbox: pod.netns }],
      ips: [
        { address: '10.1.0.5/24', interface: 1 },
        { address: 'fd00:1::5/64', interface: 1 },
      ],
    },
    ...more,
  };
}

/** The calls of zones' methods. */
const calls = (): string[] =>
  read(log)
    .split('\n')
    .filter((line) => /^\w+Source /.test(line));

const added = ['addSource trusted 10.1.0.5/32', 'addSource trusted fd00:1::5/128'];
const removed = ['removeSource trusted 10.1.0.5/32', 'removeSource trusted fd00:1::5/128'];

const otherResult = { cniVersion: '1.0.0', ips: [{ address: '10.1.0.6/24' }] };

/** A bus that lets one in and then says nothing of the protocol. */
const nonsense = `
  Bun.listen({ unix: ${JSON.stringify(busSocket)}, socket: {
    data: (socket, bytes) => void socket.write(String(bytes).includes('AUTH') ? 'OK x\\r\\n' : 'x'.repeat(64)),
  } });
  console.log('ready');`;

/** A bus that takes what is sent. */
const silence = `
  Bun.listen({ unix: ${JSON.stringify(busSocket)}, socket: { data: () => undefined } });
  console.log('ready');`;

describe.skipIf(!node)('without a bus', () => {
  test('a configured firewalld is an error that says what to do, and DEL succeeds', async () => {
    const pod = node.container();
    const conf = firewall(pod, { backend: 'firewalld' });
    const { json } = await node.call('ADD', conf, pod);
    expect(json).toMatchObject({ code: 5, msg: expect.stringContaining('start it') });
    expect(list(recordDirectory)).toEqual([]);
    await node.ok('DEL', conf, pod);
  });

  test('one that answers nonsense does not keep DEL, unless firewalld has the addresses', async () => {
    mkdirSync('/run/dbus', { recursive: true });
    const firewalld = await startFirewalld('scripted');
    const [usual, noted] = [node.container(), node.container()];
    await node.ok('ADD', firewall(noted), noted);
    await firewalld.end();
    unlinkSync(busSocket);
    await start('ready', process.execPath, '-e', nonsense);
    await node.ok('DEL', firewall(usual, { prevResult: otherResult }), usual);
    for (const command of ['ADD', 'DEL'] as const) {
      const { code } = await node.call(command, firewall(noted), noted);
      expect(code).toBe(1);
    }
    expect(list(recordDirectory)).toHaveLength(2);
  });

  test('one that says nothing is told of after five seconds, and keeps neither DEL nor who does not need it', async () => {
    mkdirSync('/run/dbus', { recursive: true });
    await start('ready', process.execPath, '-e', silence);
    const [pod, other] = [node.container(), node.container()];
    const before = performance.now();
    const [{ json }] = await Promise.all([
      node.call('ADD', firewall(pod), pod),
      node.ok('ADD', firewall(other, { backend: 'iptables', prevResult: otherResult }), other),
    ]);
    expect(json).toMatchObject({ code: 5, msg: expect.stringMatching(/restart dbus .*, or set "backend"/) });
    expect(json['details']).toMatch(/ETIMEDOUT/);
    expect(performance.now() - before).toBeLessThan(8_000);
    expect(list(recordDirectory)).toHaveLength(1);
    await node.ok('DEL', firewall(other, { backend: 'iptables', prevResult: otherResult }), other);
  }, 20_000);

  test('a socket that nobody listens at is none', async () => {
    mkdirSync('/run/dbus', { recursive: true });
    const child = await startFirewalld('scripted');
    await child.end();
    expect(existsSync(busSocket)).toBe(true);
    const pod = node.container();
    await node.ok('ADD', firewall(pod), pod);
    expect(run('iptables-save', '-t', 'filter')).toContain('-s 10.1.0.5/32');
  });
});

describe.skipIf(!node).each(hasDbus ? ['scripted', 'real'] : ['scripted'])(
  'firewalld on a %s bus',
  (kind) => {
    test('is taken where it runs: ADD, CHECK, DEL', async () => {
      await startFirewalld(kind);
      const pod = node.container();
      const conf = firewall(pod);
      expect(await node.ok('ADD', conf, pod)).toEqual(conf['prevResult']);
      expect(calls()).toEqual(added);
      expect(run('nft', 'list', 'ruleset')).toBe('');
      await node.ok('ADD', conf, pod);
      await node.ok('CHECK', conf, pod);
      await node.ok('STATUS', { cniVersion: '1.1.0', name: 'net', type: 'firewall', backend: 'firewalld' });
      await node.ok('DEL', conf, pod);
      await node.ok('DEL', conf, pod);
      expect(calls().filter((line) => line.startsWith('remove'))).toEqual([...removed, ...removed]);
      expect((await node.call('CHECK', conf, pod)).json).toMatchObject({ code: 100 });
      expect(list(recordDirectory)).toEqual([]);
    });

    test('DEL without prevResult and GC take what ADD noted out of its zone', async () => {
      await startFirewalld(kind);
      const pod = node.container();
      await node.ok('ADD', firewall(pod, { firewalldZone: 'pods' }), pod);
      await node.ok('DEL', firewall(pod, { prevResult: undefined }), pod);
      const fromPods = removed.map((line) => line.replace('trusted', 'pods'));
      expect(calls().slice(-2).sort()).toEqual(fromPods.sort());
      await node.ok('ADD', firewall(pod), pod);
      const gc = { cniVersion: '1.1.0', name: 'net', type: 'firewall', 'cni.dev/valid-attachments': [] };
      await node.ok('GC', gc);
      expect(calls().slice(-2).sort()).toEqual([...removed].sort());
      expect(list(recordDirectory)).toEqual([]);
    });

    test('its refusal is told and leaves nothing', async () => {
      await startFirewalld(kind);
      const pod = node.container();
      const { json } = await node.call('ADD', firewall(pod, { firewalldZone: 'nowhere' }), pod);
      expect(json).toMatchObject({ code: 5, details: expect.stringContaining('INVALID_ZONE') });
      expect(list(recordDirectory)).toEqual([]);
    });

    test('bridges are isolated by iptables', async () => {
      await startFirewalld(kind);
      const pod = node.container();
      const conf = firewall(pod, { ingressPolicy: 'same-bridge' });
      await node.ok('ADD', conf, pod);
      const saved = run('iptables-save', '-t', 'filter');
      expect(saved).toContain('-A CNI-ISOLATION-STAGE-2 -o br0');
      expect(saved).not.toContain('CNI-FORWARD');
      await node.ok('CHECK', conf, pod);
      run('iptables', '-F', 'CNI-ISOLATION-STAGE-2');
      expect((await node.call('CHECK', conf, pod)).json).toMatchObject({ code: 100 });
    });

    test.skipIf(!go || kind === 'scripted')(
      'upstream asks for the same, and either goes on with the other’s',
      async () => {
        await startFirewalld(kind);
        const pod = node.container();
        const conf = firewall(pod);
        const theirs = (command: 'ADD' | 'CHECK' | 'DEL'): void => {
          expect(node.exec(go as string, command, conf, pod)).toMatchObject({ code: 0 });
        };
        theirs('ADD');
        expect(calls()).toEqual(added);
        await node.ok('CHECK', conf, pod);
        await node.ok('DEL', conf, pod);
        expect(calls().slice(-2)).toEqual(removed);
        await node.ok('ADD', conf, pod);
        theirs('CHECK');
        theirs('DEL');
        expect(calls().slice(-2)).toEqual(removed);
        expect((await node.call('CHECK', conf, pod)).json).toMatchObject({ code: 100 });
      },
    );
  },
);
