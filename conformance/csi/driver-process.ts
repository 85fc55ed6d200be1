/** `underpod csi local` as a process of its own, for tests: on pools of theirs, with all else in a directory of theirs. */

import { resolve } from 'node:path';
import { IdentityCalls } from '#messages/csi';
import { Channel } from '../../shared/grpc/channel.ts';
import { TestDaemon } from '../testing/daemon.ts';

/** As it is in the sources; the compiled one is `[executable()]`. */
export const UNCOMPILED: readonly string[] = [
  process.execPath,
  resolve(import.meta.dirname, '../../main.ts'),
];

export interface DriverOptions {
  /** An existing directory for its socket, state and log. */
  readonly directory: string;
  /** NAME=DIR each. */
  readonly pools: readonly string[];
  readonly flags?: readonly string[];
  readonly program?: readonly string[];
  /** What runs it, such as strace with its flags. */
  readonly under?: readonly string[];
}

export class DriverProcess implements AsyncDisposable {
  readonly socket: string;
  readonly channel: Channel;
  readonly #daemon: TestDaemon;

  constructor(options: DriverOptions) {
    const { directory, pools, flags = [], program = UNCOMPILED, under = [] } = options;
    this.socket = `${directory}/csi.sock`;
    this.channel = new Channel({ endpoints: [`unix://${this.socket}`], timeoutMs: 30_000 });
    this.#daemon = new TestDaemon({
      name: 'underpod csi local',
      command: [
        ...under,
        ...program,
        ...['csi', 'local', '--no-registration', '--no-provisioner', '--metrics-port=0', '--node-id=node-1'],
        ...pools.map((pool) => `--pool=${pool}`),
        ...[
          `--endpoint=unix://${this.socket}`,
          `--state-dir=${directory}/state`,
          `--run-dir=${directory}/run`,
        ],
        ...[`--kubelet-dir=${directory}/kubelet`, '--log-level=debug'],
        ...flags,
      ],
      log: `${directory}/driver.log`,
      ready: async () => void (await this.channel.unary(IdentityCalls.probe, {}, { timeoutMs: 1000 })),
      startLimitMs: 5000,
    });
  }

  get pid(): number | undefined {
    return this.#daemon.pid;
  }

  start(): Promise<void> {
    return this.#daemon.start();
  }

  stop(): Promise<void> {
    return this.#daemon.stop();
  }

  kill(): Promise<void> {
    return this.#daemon.kill();
  }

  logTail(lines: number): string {
    return this.#daemon.logTail(lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.channel[Symbol.dispose]();
    await this.#daemon.stop();
  }
}
