/** Pods: a network namespace each, connected by CNI calls of the compiled executable, with a probe inside. */
import { slowness } from '../testing/slowness.ts';
import type { Family } from './addresses.ts';
import type { LabNode } from './node.ts';
import { UNDERPOD } from './node-root.ts';
import { Probe } from './probe/handle.ts';

/** Network of the conflist that `underpod install` puts in place. */
const NETWORK = 'cbr0';
/** What a container runtime runs first for every pod. */
const LOOPBACK = JSON.stringify({ cniVersion: '1.0.0', name: 'lo', type: 'loopback' });
const CALL_TIMEOUT = 10_000 * slowness;

interface AddResult {
  readonly ips?: readonly { readonly address: string }[];
}

export class Pod {
  readonly name: string;
  readonly node: LabNode;
  /** As the CNI result has them. */
  readonly addresses: Readonly<Partial<Record<Family, string>>>;
  readonly probe: Probe;

  private constructor(name: string, node: LabNode, addresses: Pod['addresses'], probe: Probe) {
    this.name = name;
    this.node = node;
    this.addresses = addresses;
    this.probe = probe;
  }

  /** Its address. @throws Error if CNI gave it none of this family */
  address(family: Family): string {
    const address = this.addresses[family];
    if (address === undefined) throw new Error(`CNI ADD gave ${this.name} no IPv${family} address`);
    return address;
  }

  /** Makes the namespace, has CNI connect it and starts the probe. @throws Error with CNI's answer */
  static async create(name: string, node: LabNode): Promise<Pod> {
    const netns = `/run/netns/${name}`;
    await node.run(['ip', 'netns', 'add', name]);
    await node.run(
      [
        'env',
        `CNI_NETNS=${netns}`,
        ...LOOPBACK_ENVIRONMENT,
        `CNI_CONTAINERID=${name}`,
        '/opt/cni/bin/loopback',
      ],
      {
        input: LOOPBACK,
      },
    );
    const result = JSON.parse(
      await node.run([UNDERPOD, 'cni', 'add', NETWORK, netns, `--args=${podArgs(name)}`], {
        timeout: CALL_TIMEOUT,
      }),
    ) as AddResult;
    const probe = await Probe.start(name, [
      'nsenter',
      `--target=${node.pid}`,
      `--net=${node.path(netns)}`,
      '--pid',
      '--',
    ]);
    return new Pod(name, node, addressesOf(result), probe);
  }

  /** The command that enters its network namespace; it does not fork. */
  get enter(): readonly string[] {
    return ['nsenter', `--net=${this.node.path(`/run/netns/${this.name}`)}`, '--'];
  }

  /** Runs a command in the pod's network namespace. */
  async run(...argv: string[]): Promise<string> {
    return this.node.run(['ip', 'netns', 'exec', this.name, ...argv]);
  }

  /** Ends the probe and has CNI take the pod away. */
  async remove(): Promise<void> {
    await this.probe.stop();
    await Pod.disconnect(this.name, this.node);
    await this.node.run(['ip', 'netns', 'delete', this.name]);
  }

  /** CNI DEL, which must also succeed for a pod that a restart of the node has ended. */
  static async disconnect(name: string, node: LabNode): Promise<void> {
    await node.run([UNDERPOD, 'cni', 'del', NETWORK, `/run/netns/${name}`], { timeout: CALL_TIMEOUT });
  }
}

/** What a runtime of Kubernetes tells of a pod. */
function podArgs(name: string): string {
  return `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${name}`;
}

const LOOPBACK_ENVIRONMENT = ['CNI_COMMAND=ADD', 'CNI_IFNAME=lo', 'CNI_PATH=/opt/cni/bin'];

function addressesOf(result: AddResult): Pod['addresses'] {
  const found: Partial<Record<Family, string>> = {};
  for (const { address } of result.ips ?? []) {
    const plain = address.split('/')[0] as string;
    found[plain.includes(':') ? 6 : 4] ??= plain;
  }
  return found;
}
