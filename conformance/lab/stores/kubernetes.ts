/** A control plane on the underlay; the lab does what kubelets and the controller manager would. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KubeObject } from '../../kubernetes/api.ts';
import { ControlPlane } from '../../kubernetes/control-plane.ts';
import { controlAddress, families, podCidr } from '../addresses.ts';
import type { LabNode } from '../node.ts';
import { type LabStore, NET_CONF, type ServerAct, type StoreContext } from './store.ts';

/** kubeadm's port. */
const PORT = 6443;
const KUBECONFIG = '/etc/underpod/kubeconfig';
const NAMESPACE = 'underpod-system';
const ACCOUNT = 'underpod-agent';

/** The manifests that users get: their account may do what an agent needs and no more. */
const MANIFESTS = resolve(import.meta.dirname, '../../../cni/agent/deploy/base');

export class KubernetesStore implements LabStore {
  readonly flags: readonly string[] = ['--kube-subnet-mgr', `--kubeconfig-file=${KUBECONFIG}`];
  readonly look: string = 'its annotations in the Kubernetes API';
  readonly #context: StoreContext;
  #plane: ControlPlane | undefined;
  #kubeconfig = '';
  readonly #registered = new Set<LabNode>();

  constructor(context: StoreContext) {
    this.#context = context;
  }

  get plane(): ControlPlane {
    if (this.#plane === undefined) throw new Error('the control plane has not been started');
    return this.#plane;
  }

  async start(): Promise<void> {
    const { directory, options } = this.#context;
    const [family = 4] = families(options.ipv);
    const { address } = controlAddress(family);
    this.#plane = await ControlPlane.start({ directory, address, port: PORT });
    for (const name of ['namespace', 'rbac']) await this.#plane.apply(`${MANIFESTS}/${name}.yaml`);
    // Longer than any lab stays.
    const token = await this.#plane.token(NAMESPACE, ACCOUNT, 30 * 24 * 3600);
    this.#kubeconfig = this.#plane.kubeconfig('agent', { token });
  }

  async prepare(node: LabNode): Promise<void> {
    copyFileSync(this.#kubeconfig, node.path(KUBECONFIG));
    writeFileSync(node.path(NET_CONF), this.#context.netConf);
    await this.#register(node);
  }

  /** A kubelet that starts leaves a node that is there as it is, and does without a server that is away. */
  async #register(node: LabNode): Promise<void> {
    if (this.#registered.has(node)) return;
    this.#registered.add(node);
    const used = families(this.#context.options.ipv);
    await this.plane.createNode({
      name: node.name,
      podCidrs: used.map((family) => podCidr(node.index, family)),
      addresses: used.map((family) => node.address(family)),
    });
  }

  async remove(node: LabNode): Promise<void> {
    await this.plane.deleteNode(node.name);
    this.#registered.delete(node);
  }

  async dump(): Promise<Record<string, KubeObject>> {
    const { items } = await this.plane.admin.get<{ items: KubeObject[] }>('/api/v1/nodes');
    return Object.fromEntries(items.map((item) => [item.metadata.name, item]));
  }

  async act(what: ServerAct): Promise<void> {
    await this.plane.apiserver[what]();
  }
}
