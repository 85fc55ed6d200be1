/** The service proxy of a node: the compiled executable in kube-proxy's place, on the embedded store. */

import { slowness } from '../testing/slowness.ts';
import { CLUSTER, families } from './addresses.ts';
import type { LabNode } from './node.ts';
import { NodeProcess } from './node-process.ts';
import { UNDERPOD } from './node-root.ts';
import type { LabOptions } from './options.ts';

/** As kube-proxy's. */
const READY_URL = 'http://127.0.0.1:10256/healthz';
const READY_TIMEOUT = 15_000 * slowness;

export class NodeProxy {
  readonly #node: LabNode;
  readonly #command: readonly string[];
  readonly #process: NodeProcess;

  /** @param store the embedded store's file, on the node @param logs a directory as the holder sees it */
  constructor(node: LabNode, { ipv }: LabOptions, store: string, logs: string) {
    this.#node = node;
    this.#process = new NodeProcess(node, `${logs}/${node.name}-proxy.log`);
    const networks = families(ipv).map((family) => CLUSTER[family]);
    // What counts connections is the machine's, not the node's.
    const limits = ['--conntrack-max-per-core=0', '--conntrack-min=0'];
    this.#command = [
      ...[UNDERPOD, 'proxy', `--store=${store}`, `--hostname-override=${node.name}`],
      ...[`--cluster-cidr=${networks.join()}`, ...limits],
    ];
  }

  /** Starts it, in place of one that runs. @throws Error with the end of its log if it is not ready in time */
  async start(): Promise<void> {
    try {
      await this.#process.start(this.#command, READY_TIMEOUT, async () => {
        await this.#node.probe.ask({ op: 'ready', url: READY_URL, timeout: READY_TIMEOUT });
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the proxy of ${this.#node.name} is not ready: ${why}\n${this.#process.logTail(12)}`, {
        cause: error,
      });
    }
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }
}
