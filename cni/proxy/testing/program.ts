/** The proxy as a program from its sources, on the node `n1`, with the Services and Pods of an embedded store. */

import { writeFileSync } from 'node:fs';
import { TestDaemon } from '../../../conformance/testing/daemon.ts';
import { run } from '../../../conformance/testing/netns.ts';
import { EmbeddedStore } from '../../../shared/store/embedded/store.ts';
import type { KubeObject } from '../../../shared/store/kube-object.ts';

const PROGRAM = [process.execPath, new URL('../../../main.ts', import.meta.url).pathname, 'proxy'];

/** @throws whatever fetch throws while nobody listens */
async function healthz(): Promise<number> {
  return (await fetch('http://127.0.0.1:10256/healthz')).status;
}

/** The node's own address, 192.0.2.1, those of its pods, and a default route. */
export function addNodeAddresses(...pods: readonly string[]): void {
  run('ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
  for (const device of ['near', 'far']) run('ip', 'link', 'set', device, 'up');
  for (const ip of ['192.0.2.1/24', ...pods.map((pod) => `${pod}/32`)])
    run('ip', 'address', 'add', ip, 'dev', 'near');
  run('ip', 'route', 'add', 'default', 'via', '192.0.2.254', 'dev', 'near');
}

export class StoreProxy {
  readonly #directory: string;
  /** The configuration file. */
  readonly config: string;
  readonly log: string;
  readonly runDir: string;
  readonly flags: readonly string[];

  /** @param directory all that are made of the same one share state, as one after the other on a node */
  constructor(directory: string) {
    this.#directory = directory;
    this.config = `${directory}/config.conf`;
    this.log = `${directory}/log`;
    this.runDir = `${directory}/run`;
    this.flags = [
      `--config=${this.config}`,
      '--hostname-override=n1',
      `--store=${directory}/store.db`,
      `--state-dir=${directory}/state`,
      `--run-dir=${this.runDir}`,
      `--cni-cache-dir=${directory}/cni`,
    ];
  }

  /** Writes the configuration file. @param more lines of it */
  configure(more: string = ''): void {
    const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
    writeFileSync(this.config, `${head}clusterCIDR: 10.244.0.0/16\n${more}`);
  }

  /** Does not start it yet; who makes it stops it. */
  daemon(env: Readonly<Record<string, string>> = {}): TestDaemon {
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return new TestDaemon({
      name: 'underpod proxy',
      command: ['env', ...variables, ...PROGRAM, ...this.flags],
      log: this.log,
      startLimitMs: 5000,
      ready: async () => {
        if ((await healthz()) !== 200) throw new Error('not healthy yet');
      },
    });
  }

  /** An object of the store, with the label `app`. */
  put(kind: string, name: string, app: string, more: object): void {
    using store = EmbeddedStore.open(`${this.#directory}/store.db`);
    store.put({
      apiVersion: 'v1',
      kind,
      metadata: { name, namespace: 'default', labels: { app } },
      ...more,
    } as KubeObject);
  }
}

/** Runs it to its end. @returns its exit code and what it printed */
export function once(...args: readonly string[]): [number, string] {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...PROGRAM, ...args]);
  return [exitCode, stdout.toString() + stderr.toString()];
}

/** As `once`, for who has something to answer meanwhile. */
export async function onceMeanwhile(...args: readonly string[]): Promise<[number, string]> {
  const child = Bun.spawn([...PROGRAM, ...args], { stdout: 'pipe', stderr: 'pipe' });
  const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return [await child.exited, texts.join('')];
}
