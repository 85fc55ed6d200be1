/** A DHCP server (dnsmasq) and the daemons that ask it, as processes in the test's network namespace. */

import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { slowness } from '../../../conformance/testing/slowness.ts';
import { read } from './node.ts';

const top = resolve(import.meta.dirname, '../../..');

/** How long something may take that ought to take a moment. */
const patienceMs = 10_000 * slowness;

/** Whether the servers are installed; says so where it is not. */
export function hasServers(): boolean {
  if (spawnSync('dnsmasq', ['--version']).status === 0 && spawnSync('busybox').status === 0) return true;
  process.stderr.write(
    'skipped: tests with a DHCP server: dnsmasq or busybox is not installed (make setup)\n',
  );
  return false;
}

/** A process whose lines of log can be waited for. */
export class Logged implements Disposable {
  readonly child: ChildProcess;
  #text = '';
  /** Up to where lines have been waited for. */
  #seen = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(program: string, args: readonly string[], environment: Record<string, string> = {}) {
    this.child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.#text += bytes.toString();
        this.#wake();
      });
    }
    // When all that it wrote has been read.
    this.child.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  get text(): string {
    return this.#text;
  }

  /** Waits for a line that matches, after those that were waited for before. @throws Error with the log in the end */
  async line(pattern: RegExp): Promise<string> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const lines = this.#text.slice(this.#seen);
      let from = 0;
      for (let end = lines.indexOf('\n'); end >= 0; end = lines.indexOf('\n', from)) {
        const line = lines.slice(from, end);
        from = end + 1;
        if (!pattern.test(line)) continue;
        this.#seen += from;
        return line;
      }
      const left = deadline - performance.now();
      if (left <= 0 || this.#ended) throw new Error(`no line like ${pattern} in:\n${this.#text}`);
      await new Promise<void>((done) => {
        const timer = setTimeout(done, left);
        this.#wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  }

  /** Ends it and waits until it has ended. Returns its exit code, null after a kill. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null)
      return Promise.resolve(this.child.exitCode);
    return new Promise((done) => {
      this.child.once('exit', done);
      this.child.kill(signal);
    });
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

export interface ServerOptions {
  readonly interface: string;
  /** First and last address. */
  readonly range: readonly [string, string];
  /** `--dhcp-option` and its like. */
  readonly more?: readonly string[];
}

const leaseFile = '/run/dnsmasq.leases';

/** Starts dnsmasq; resolves when it serves. */
export async function startServer(options: ServerOptions): Promise<Logged> {
  const server = new Logged('dnsmasq', [
    '--no-daemon',
    '--conf-file=/dev/null',
    '--port=0',
    '--no-ping',
    '--bind-interfaces',
    '--dhcp-authoritative',
    `--interface=${options.interface}`,
    `--dhcp-leasefile=${leaseFile}`,
    `--dhcp-range=${options.range.join(',')},2m`,
    ...(options.more ?? []),
  ]);
  await server.line(/sockets bound exclusively to interface/);
  return server;
}

/** Starts busybox's server, which gives leases of a few seconds; dnsmasq's last two minutes at least. */
export async function startBriefServer(options: ServerOptions, seconds: number): Promise<Logged> {
  const [start, end] = options.range;
  const file = '/run/udhcpd.conf';
  writeFileSync(
    file,
    `start ${start}\nend ${end}\ninterface ${options.interface}\nlease_file /run/udhcpd.leases\nmin_lease 1\n` +
      `option lease ${seconds}\noption subnet 255.255.255.0\noption router 10.77.0.1\n`,
  );
  writeFileSync('/run/udhcpd.leases', '');
  // Looks for another holder of an address no longer than it must.
  const server = new Logged('busybox', ['udhcpd', '-f', '-a', '1', file]);
  await server.line(/started/);
  return server;
}

/** Addresses that the server has given out. */
export function givenOut(): string[] {
  return read(leaseFile)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ')[2] ?? '');
}

/** Waits until the server has given out so many addresses: it takes one back, and notes that, in its own time. */
export async function untilGivenOut(count: number): Promise<string[]> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const addresses = givenOut();
    if (addresses.length === count) return addresses;
    if (performance.now() > deadline) throw new Error(`the server has given out ${addresses.join(', ')}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** Starts our daemon; resolves when it can be asked. */
export async function startDaemon(...args: string[]): Promise<Logged> {
  const daemon = new Logged(process.execPath, [join(top, 'main.ts'), 'dhcp', '--log-level=debug', ...args]);
  await daemon.line(/dhcp ready/);
  return daemon;
}

/** Whether `startActivated` can. */
export function hasSocketActivation(): boolean {
  if (spawnSync('systemd-socket-activate', ['--version']).status === 0) return true;
  process.stderr.write('skipped: a socket handed on by systemd: no systemd-socket-activate is installed\n');
  return false;
}

/** Has systemd's program listen; it becomes our daemon when somebody connects. */
export async function startActivated(socket: string): Promise<Logged> {
  const command = [process.execPath, join(top, 'main.ts'), 'dhcp', '--log-level=debug'];
  const daemon = new Logged('systemd-socket-activate', ['-l', socket, ...command]);
  await daemon.line(/Listening on/);
  return daemon;
}

/** Starts upstream's daemon. It does not say when it can be asked: its socket is waited for. */
export async function startGoDaemon(directory: string, socket: string): Promise<Logged> {
  mkdirSync(socket.slice(0, socket.lastIndexOf('/')), { recursive: true });
  const daemon = new Logged(join(directory, 'dhcp'), ['daemon', '-socketpath', socket]);
  const deadline = performance.now() + patienceMs;
  while (spawnSync('test', ['-S', socket]).status !== 0) {
    if (performance.now() > deadline) throw new Error(`no socket ${socket}: ${daemon.text}`);
  }
  return daemon;
}
