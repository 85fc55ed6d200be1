/** A pod of a manifest as the kubelet asks the CRI for it, on a node whose directories are below one of the test's. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Daemon } from '../containerd/daemon.ts';
import { CGROUP } from '../containerd/pods.ts';
import type { Container, PodSpec } from './manifests.ts';

export interface CriPodOptions {
  readonly daemon: Daemon;
  readonly pod: PodSpec;
  readonly name: string;
  /** Where the node's directories are, such as `<node>/opt/cni/bin`. */
  readonly node: string;
  /** A directory for what is handed to crictl, and for logs. */
  readonly scratch: string;
  /** Content of volumes that the node has no directory for, by the volume's name: file name to text. */
  readonly volumes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Values of variables that are the kubelet's to say, and those that it gives to every container. */
  readonly env: Readonly<Record<string, string>>;
  /** What is in the directory of the service account: `token`, `ca.crt`. */
  readonly account: Readonly<Record<string, string>>;
}

/** Where every container of a pod finds its account. */
const ACCOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Variables in every container, by which programs find the API server. */
const GIVEN = ['KUBERNETES_SERVICE_HOST', 'KUBERNETES_SERVICE_PORT'];

/** What the kubelet asks for in every unprivileged container (procMount: Default, kubelet's securitycontext package). */
const READ_ONLY = ['asound', 'bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`);
const MASKED = [
  ...['acpi', 'asound', 'kcore', 'keys', 'latency_stats', 'sched_debug', 'scsi', 'timer_list'].map(
    (name) => `/proc/${name}`,
  ),
  '/sys/firmware',
];

/** NamespaceMode of the CRI: the node's. */
const NODE = 2;
/** SecurityProfile.ProfileType of the CRI. */
const RUNTIME_DEFAULT = 0;

/** Longer than any container takes to do its work or to come up, in ms. */
const LIMIT_MS = 30_000;

interface ContainerStatus {
  readonly status: { readonly state: string; readonly exitCode?: number };
}

export class CriPod {
  readonly #options: CriPodOptions;
  readonly #id: string;
  readonly #sandbox: string;
  readonly #network: { readonly network?: number };

  /** RunPodSandbox. */
  constructor(options: CriPodOptions) {
    const { daemon, pod, name, scratch } = options;
    this.#options = options;
    this.#network = pod.hostNetwork ? { network: NODE } : {};
    this.#sandbox = `${scratch}/${name}.pod.json`;
    const metadata = { name, namespace: 'tests', uid: `uid-${name}`, attempt: 1 };
    const security_context = { namespace_options: this.#network };
    writeFileSync(
      this.#sandbox,
      JSON.stringify({
        metadata,
        log_directory: scratch,
        linux: { cgroup_parent: CGROUP, security_context },
      }),
    );
    this.#id = daemon.crictl('runp', this.#sandbox).trim();
  }

  /** Runs a container to its end. @returns what it printed. @throws Error with that where it fails */
  async runToEnd(container: Container): Promise<string> {
    const id = this.start(container);
    await waitFor(() => this.#status(id).state === 'CONTAINER_EXITED');
    const output = this.log(container);
    const { exitCode } = this.#status(id);
    if (exitCode !== undefined && exitCode !== 0)
      throw new Error(`${container.name} ended with ${exitCode}: ${output}`);
    return output;
  }

  /** CreateContainer and StartContainer. @returns the container's id */
  start(container: Container): string {
    const { daemon, scratch, name } = this.#options;
    const path = `${scratch}/${name}.${container.name}.json`;
    writeFileSync(path, JSON.stringify(this.#config(container)));
    const id = daemon.crictl('create', this.#id, path, this.#sandbox).trim();
    daemon.crictl('start', id);
    return id;
  }

  /** What a container printed so far, on stdout and stderr. */
  log({ name }: Container): string {
    // Each line has its time, stream and a mark in front.
    return readFileSync(this.#logPath(name), 'utf8').replaceAll(/^\S+ \S+ \S+ /gm, '');
  }

  #logPath(container: string): string {
    return `${this.#options.scratch}/${this.#options.name}.${container}.log`;
  }

  /** Stops and removes it with its containers. */
  remove(): void {
    const { daemon } = this.#options;
    daemon.crictl('stopp', this.#id);
    daemon.crictl('rmp', '--force', this.#id);
  }

  #status(id: string): ContainerStatus['status'] {
    return (JSON.parse(this.#options.daemon.crictl('inspect', '--output', 'json', id)) as ContainerStatus)
      .status;
  }

  #config({ name, image, command, args, env = [], securityContext = {}, volumeMounts }: Container): object {
    const { capabilities = {} } = securityContext;
    return {
      metadata: { name },
      image: { image },
      ...(command && { command }),
      args,
      envs: [
        ...GIVEN.map((variable) => ({ name: variable, value: this.#options.env[variable] ?? '' })),
        ...env.map((variable) => ({ value: this.#options.env[variable.name] ?? '', ...variable })),
      ].map((variable) => ({ key: variable.name, value: variable.value })),
      mounts: [
        ...volumeMounts.map((mount) => ({
          container_path: mount.mountPath,
          host_path: this.#hostPath(mount.name),
          readonly: mount.readOnly === true,
        })),
        {
          container_path: ACCOUNT_PATH,
          host_path: this.#directory('account', this.#options.account),
          readonly: true,
        },
      ],
      log_path: this.#logPath(name).slice(this.#options.scratch.length + 1),
      linux: {
        security_context: {
          namespace_options: this.#network,
          run_as_user: { value: 0 },
          readonly_rootfs: securityContext.readOnlyRootFilesystem === true,
          no_new_privs: securityContext.allowPrivilegeEscalation === false,
          capabilities: {
            add_capabilities: capabilities.add ?? [],
            drop_capabilities: capabilities.drop ?? [],
          },
          seccomp: { profile_type: RUNTIME_DEFAULT },
          masked_paths: MASKED,
          readonly_paths: READ_ONLY,
        },
      },
    };
  }

  #directory(name: string, files: Readonly<Record<string, string>>): string {
    const directory = `${this.#options.scratch}/${this.#options.name}.volume-${name}`;
    mkdirSync(directory, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(`${directory}/${file}`, text);
    return directory;
  }

  /** What is mounted for a volume, made as its type says. */
  #hostPath(name: string): string {
    const { pod, node, volumes } = this.#options;
    const hostPath = pod.volumes.find((volume) => volume.name === name)?.hostPath;
    if (!hostPath) return this.#directory(name, volumes[name] ?? {});
    // The kernel's own are those of the network namespace that the node is.
    if (hostPath.path.startsWith('/proc/')) return hostPath.path;
    const path = node + hostPath.path;
    if (hostPath.type === 'DirectoryOrCreate') mkdirSync(path, { recursive: true });
    if (hostPath.type === 'FileOrCreate' && !existsSync(path)) {
      mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true });
      writeFileSync(path, '');
    }
    return path;
  }
}

/** Asks until it is so. @throws Error when time is over */
export async function waitFor(such: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!(await such())) {
    if (performance.now() > deadline) throw new Error(`not so after ${LIMIT_MS} ms: ${such}`);
    await Bun.sleep(50);
  }
}
