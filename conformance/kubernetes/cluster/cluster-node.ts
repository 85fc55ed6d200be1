/** One node of the cluster: a lab's node with a containerd, a kubelet and a kube-proxy where users have them. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Runtime } from '../../containerd/runtimes.ts';
import { CLUSTER } from '../../lab/addresses.ts';
import { LabNode } from '../../lab/node.ts';
import { TestDaemon } from '../../testing/daemon.ts';
import type { ControlPlane } from '../control-plane.ts';
import { kubernetesProgram } from '../programs.ts';
import { makeCgroups } from './cgroup.ts';
import type { Image } from './images.ts';
import {
  COVER_TUNABLES,
  KUBELET_DIRECTORY,
  kubeletCommand,
  kubeProxyCommand,
  writeKubeletConfig,
} from './kubelet.ts';
import {
  containerdCommand,
  containerdConfig,
  containerdEnvironment,
  crictlCommand,
  ctrCommand,
} from './node-containerd.ts';
import { until } from './until.ts';

export interface ClusterNodeOptions {
  /** From 1. */
  readonly index: number;
  /** The cluster's tmpfs. */
  readonly files: string;
  readonly plane: ControlPlane;
  readonly runtime: Runtime;
  /** What is imported; the first is that of pods' sandboxes. */
  readonly images: readonly [Image, ...Image[]];
}

/** On an idle machine, in ms. */
const START_LIMIT_MS = 15_000;
/** An image of 60 MB is unpacked in 3 s. */
const IMPORT_LIMIT_MS = 120_000;
/** A call of crictl, or of a program in a container. */
const CALL_LIMIT_MS = 60_000;

const CONTAINERD_CONFIG = '/etc/underpod/containerd.toml';

/** A program on the machine, as nodes see it. */
const onNode = (program: string): string => `/host${program}`;

export class ClusterNode {
  readonly lab: LabNode;
  readonly containerd: TestDaemon;
  readonly kubelet: TestDaemon;
  readonly proxy: TestDaemon;
  readonly #options: ClusterNodeOptions;

  constructor(options: ClusterNodeOptions) {
    const { index, files, runtime } = options;
    this.#options = options;
    this.lab = new LabNode(index, 'dual', 'none', files);
    const { name } = this.lab;
    const daemon = (
      program: string,
      command: readonly string[],
      ready: () => Promise<unknown>,
      env?: Record<string, string>,
    ): TestDaemon => {
      const lab = this.lab;
      return new TestDaemon({
        name: `${program} of ${name}`,
        command,
        log: `${files}/logs/${name}-${program}.log`,
        // nsenter(1) forks: its child goes with it.
        get enter() {
          return [...lab.enter, 'setpriv', '--pdeathsig', 'KILL', '--'];
        },
        ...(env && { env }),
        ready: async () => {
          await ready();
        },
        startLimitMs: START_LIMIT_MS,
      });
    };
    const healthy = (port: number) => () =>
      this.lab.run(['busybox', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}/healthz`]);
    this.containerd = daemon(
      'containerd',
      containerdCommand(runtime, CONTAINERD_CONFIG),
      () => this.crictl('version'),
      containerdEnvironment(runtime),
    );
    const addresses = [this.lab.address(4), this.lab.address(6)];
    const program = (of: 'kubelet' | 'kube-proxy'): string => onNode(kubernetesProgram(of));
    this.kubelet = daemon('kubelet', kubeletCommand(program('kubelet'), name, addresses), healthy(10248));
    const proxy = kubeProxyCommand(program('kube-proxy'), name, Object.values(CLUSTER));
    this.proxy = daemon('kube-proxy', proxy, healthy(10256));
  }

  get name(): string {
    return this.lab.name;
  }

  /** Starts everything; the kubelet registers the node. @throws Error with what failed */
  async boot(): Promise<void> {
    const { plane, images } = this.#options;
    const { lab, name } = this;
    await lab.boot();
    await lab.run(['sh', '-euc', `${makeCgroups(name)}${COVER_TUNABLES}`]);
    writeFileSync(lab.path(CONTAINERD_CONFIG), containerdConfig(images[0].reference));
    await this.containerd.start();
    await this.#importImages();
    const directory = lab.path(KUBELET_DIRECTORY);
    mkdirSync(directory, { recursive: true });
    writeKubeletConfig({ directory, ca: plane.authority.cert });
    const user = `system:node:${name}`;
    const own = plane.kubeconfig(name, plane.clientCertificate(user, 'system:nodes'));
    const proxy = plane.kubeconfig(`${name}-proxy`, plane.clientCertificate('system:kube-proxy'));
    writeFileSync(`${directory}/kubeconfig`, readFileSync(own), { mode: 0o600 });
    writeFileSync(`${directory}/kube-proxy.kubeconfig`, readFileSync(proxy), { mode: 0o600 });
    await Promise.all([this.kubelet.start(), this.proxy.start()]);
  }

  /** crictl on the node; returns what it printed. @throws CommandError with what it said */
  crictl(...args: string[]): Promise<string> {
    return this.#run([...crictlCommand(), ...args], CALL_LIMIT_MS);
  }

  /** Runs a program in a container of a pod that is there. @throws CommandError with what it said where it fails */
  async exec(pod: string, container: string, ...command: string[]): Promise<string> {
    const [id] = (
      await this.crictl('ps', '--quiet', '--label', `io.kubernetes.pod.name=${pod}`, '--name', container)
    ).split('\n');
    if (!id) throw new Error(`${pod} has no running container ${container} on ${this.name}`);
    return this.crictl('exec', '--sync', id, ...command);
  }

  /** The network namespace of a pod, as this process reaches it. */
  async netnsOf(pod: string): Promise<string> {
    const [id] = (
      await this.crictl('pods', '--quiet', '--label', `io.kubernetes.pod.name=${pod}`, '--state', 'ready')
    ).split('\n');
    const inspected = JSON.parse(await this.crictl('inspectp', '--output', 'json', id ?? '')) as {
      info: { runtimeSpec: { linux: { namespaces: { type: string; path?: string }[] } } };
    };
    const { path } = inspected.info.runtimeSpec.linux.namespaces.find(({ type }) => type === 'network') ?? {};
    if (path === undefined) throw new Error(`${pod} has no network namespace of its own`);
    return this.lab.path(path.replace(/^\/var\/run\//, '/run/'));
  }

  /** The end of its logs, for messages. */
  logs(lines: number): string {
    return [this.containerd, this.kubelet, this.proxy].map((daemon) => daemon.logTail(lines)).join('\n');
  }

  /** Everything that runs on it ends at once. */
  async kill(): Promise<void> {
    for (const daemon of [this.kubelet, this.proxy, this.containerd]) await daemon.kill();
    if (this.lab.isUp) await this.lab.kill();
  }

  async #importImages(): Promise<void> {
    const { runtime, images } = this.#options;
    for (const { archive, reference } of images) {
      const imported = ['--namespace', 'k8s.io', 'images', 'import', onNode(archive)];
      await this.#run([...ctrCommand(runtime), ...imported], IMPORT_LIMIT_MS);
      // The CRI's own list of images follows containerd's events.
      await until(`${reference} on ${this.name}`, IMPORT_LIMIT_MS, () =>
        this.crictl('inspecti', '--quiet', reference),
      );
    }
  }

  #run(command: readonly string[], timeout: number): Promise<string> {
    return this.lab.run(command, { timeout, env: containerdEnvironment(this.#options.runtime) });
  }
}
