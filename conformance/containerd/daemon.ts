/**
 * A containerd of a test's own, in the test's network namespace, and crictl as its kubelet.
 *
 * It lives in a PID and a mount namespace that end with the test, whatever becomes of it, and all shims, pods and
 * mounts with them.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { crictlPath, type Runtime } from './runtimes.ts';

export interface Daemon extends AsyncDisposable {
  /** Runs crictl and returns what it printed. @throws Error with what it said instead */
  crictl(...args: string[]): string;
  /** Ends containerd and starts it again; pods go on meanwhile. @throws Error with its log */
  restart(): Promise<void>;
  /** What containerd logged so far. */
  log(): string;
}

export interface DaemonOptions {
  readonly runtime: Runtime;
  /** An empty directory for its images, sockets and logs. */
  readonly directory: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  /** The pods' pause image. */
  readonly image: ImageArchive;
  /** Further ones. */
  readonly images?: readonly ImageArchive[];
}

/** An archive with an image, and the name under which it is known once it is imported. */
export interface ImageArchive {
  readonly archive: string;
  readonly reference: string;
}

const START_LIMIT_MS = 30_000;
const CALL_LIMIT_MS = 60_000;

/** Version 2 of the file is read by 1.6 and by 2.x alike. */
const config = (options: DaemonOptions): string => `version = 2
root = "${options.directory}/root"
state = "${options.directory}/state"
[grpc]
  address = "${socket(options)}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${options.directory}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${options.image.reference}"
  # Without CAP_SYS_RESOURCE no process can be made less likely to be killed than its parent.
  restrict_oom_score_adj = true
  # The test's own directories, not those of the node.
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${options.cniBinDir}"
    conf_dir = "${options.cniConfDir}"
`;

/** The first process of the PID namespace: it starts and ends containerd, and when stdin ends so does everything. */
const INIT = `while read -r command; do
  case $command in
    start) "$1" --config "$2" >>"$3" 2>&1 </dev/null & pid=$! ;;
    stop) kill "$pid"; wait "$pid"; echo stopped ;;
  esac
done`;

/** Starts it and waits until it knows the image and its network. @throws Error with its log where it does not come up */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  mkdirSync(options.directory, { recursive: true });
  const daemon = new RunningDaemon(options);
  try {
    await daemon.start();
    return daemon;
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
}

class RunningDaemon implements Daemon {
  readonly #init: ChildProcess;
  readonly #options: DaemonOptions;
  readonly #env: Record<string, string>;
  readonly #logPath: string;
  readonly #said: AsyncIterator<string>;
  #hasImages = false;

  constructor(options: DaemonOptions) {
    const { directory, runtime } = options;
    this.#options = options;
    this.#env = {
      PATH: [...runtime.path, process.env['PATH']].join(':'),
      LD_LIBRARY_PATH: runtime.libraries,
    };
    this.#logPath = `${directory}/log`;
    const configPath = `${directory}/config.toml`;
    writeFileSync(configPath, config(options));
    writeFileSync(this.#logPath, '');
    this.#init = spawn(
      'unshare',
      [
        ...['--pid', '--fork', '--kill-child', '--mount-proc', '/bin/sh', '-c', INIT, 'init'],
        ...[`${runtime.path[0]}/containerd`, configPath, this.#logPath],
      ],
      { env: this.#env, stdio: ['pipe', 'pipe', 'inherit'] },
    );
    if (!this.#init.stdout) throw new Error('the init process has no output');
    this.#said = createInterface({ input: this.#init.stdout })[Symbol.asyncIterator]();
  }

  async start(): Promise<void> {
    this.#init.stdin?.write('start\n');
    const { image, images = [] } = this.#options;
    await this.#succeeds(() => this.#ctr('version'));
    for (const { archive, reference } of [image, ...images]) {
      if (!this.#hasImages) this.#ctr('--namespace', 'k8s.io', 'images', 'import', archive);
      // The CRI's own list of images follows containerd's events.
      await this.#succeeds(() => this.crictl('inspecti', '--quiet', reference));
    }
    this.#hasImages = true;
    await this.#succeeds(() => {
      const { status } = JSON.parse(this.crictl('info')) as {
        status: { conditions: { type: string; status: boolean; message: string }[] };
      };
      const network = status.conditions.find(({ type }) => type === 'NetworkReady');
      if (network?.status !== true) throw new Error(`the network is not ready: ${network?.message}`);
    });
  }

  async restart(): Promise<void> {
    this.#init.stdin?.write('stop\n');
    await this.#said.next();
    await this.start();
  }

  crictl(...args: string[]): string {
    const endpoint = `unix://${socket(this.#options)}`;
    // Without --config it would read the machine's own /etc/crictl.yaml.
    const flags = ['--config', '/dev/null', '--runtime-endpoint', endpoint, '--image-endpoint', endpoint];
    return this.#run(crictlPath, [...flags, '--timeout', `${CALL_LIMIT_MS / 1000}s`, ...args]);
  }

  log(): string {
    return existsSync(this.#logPath) ? readFileSync(this.#logPath, 'utf8') : '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#init.exitCode !== null || this.#init.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#init.once('exit', resolve));
    this.#init.stdin?.end();
    await ended;
  }

  #ctr(...args: string[]): string {
    // Its own patience would be 10 s, even when containerd came up meanwhile.
    const flags = ['--address', socket(this.#options), '--connect-timeout', '1s'];
    return this.#run(`${this.#options.runtime.path[0]}/ctr`, [...flags, ...args]);
  }

  #run(program: string, args: readonly string[]): string {
    const done = spawnSync(program, [...args], {
      env: this.#env,
      encoding: 'utf8',
      timeout: CALL_LIMIT_MS,
    });
    if (done.error) throw done.error;
    if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.stderr}${done.stdout}`);
    return done.stdout;
  }

  /** Asks until it does not throw. @throws Error with the last reason and the log when time is over */
  async #succeeds(attempt: () => void): Promise<void> {
    const deadline = performance.now() + START_LIMIT_MS;
    for (;;) {
      try {
        attempt();
        return;
      } catch (error) {
        if (performance.now() > deadline)
          throw new Error(`containerd did not come up: ${String(error)}\n${this.log().slice(-4000)}`);
        await pause(50);
      }
    }
  }
}

function socket(options: DaemonOptions): string {
  return `${options.directory}/containerd.sock`;
}
