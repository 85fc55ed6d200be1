/** The embedded store: a file that the lab's nodes share. */
import { writeFileSync } from 'node:fs';
import type { LabNode } from '../node.ts';
import { SHARED, UNDERPOD } from '../node-root.ts';
import { type LabStore, NET_CONF, type StoreContext } from './store.ts';

const STORE = `${SHARED}/store.db`;

export class Embedded implements LabStore {
  readonly flags: readonly string[] = [`--store=${STORE}`];
  readonly look: string = `${UNDERPOD} get nodes --store ${STORE}`;
  readonly #context: StoreContext;

  constructor(context: StoreContext) {
    this.#context = context;
  }

  async start(): Promise<void> {}

  async prepare(node: LabNode): Promise<void> {
    writeFileSync(node.path(NET_CONF), this.#context.netConf);
  }

  async remove(node: LabNode): Promise<void> {
    await this.#anyBut(node).run([UNDERPOD, 'delete', `node/${node.name}`, `--store=${STORE}`]);
  }

  async dump(): Promise<Record<string, unknown>> {
    const text = await this.#anyBut().run([UNDERPOD, 'get', 'nodes', `--store=${STORE}`, '-o', 'json']);
    return { nodes: JSON.parse(text) as unknown };
  }

  async act(): Promise<void> {
    throw new Error('the embedded store has no server');
  }

  #anyBut(node?: LabNode): LabNode {
    const other = this.#context.nodes.find((one) => one !== node && one.isUp);
    if (other === undefined) throw new Error('no other node is up');
    return other;
  }
}
