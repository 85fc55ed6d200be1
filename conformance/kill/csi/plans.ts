/** Calls of a volume's life: each is killed at its system calls, in the state of the node in which the kubelet makes it. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { ControllerCalls, NodeCalls } from '#messages/csi';
import type { DriverProcess } from '../../csi/driver-process.ts';
import { creation, MIB, mountable, publishing, staging } from '../../csi/requests.ts';
import type { StorageWorld } from '../../csi/world.ts';

/** Longest wait for a write, in seconds: a file system that was left frozen never takes one. */
const WRITE_LIMIT = 10;

/** One volume of a point, with the calls that a kubelet and the sidecars make of it; each can be repeated. */
export class Life {
  readonly #driver: DriverProcess;
  readonly #id: string;
  readonly #fsType: string;
  readonly #stage: string;
  readonly #target: string;
  #sum = '';

  constructor(world: StorageWorld, driver: DriverProcess, id: string, fsType: string) {
    this.#driver = driver;
    this.#id = id;
    this.#fsType = fsType;
    this.#stage = `${world.path}/kubelet/stage-${id}`;
    this.#target = `${world.path}/kubelet/target-${id}`;
  }

  get #capability(): ReturnType<typeof mountable> {
    return mountable('SINGLE_NODE_WRITER', this.#fsType);
  }

  get #size(): number {
    // The smallest of XFS.
    return this.#fsType === 'xfs' ? 300 : 32;
  }

  async create(): Promise<unknown> {
    const wish = { mib: this.#size, capability: this.#capability };
    const { volume } = await this.#driver.channel.unary(
      ControllerCalls.createVolume,
      creation(this.#id, wish),
    );
    return volume;
  }

  async stage(): Promise<unknown> {
    const request = staging(this.#id, this.#stage, this.#capability);
    return this.#driver.channel.unary(NodeCalls.nodeStageVolume, request);
  }

  async publish(): Promise<unknown> {
    const request = publishing(this.#id, this.#stage, this.#target, this.#capability);
    return this.#driver.channel.unary(NodeCalls.nodePublishVolume, request);
  }

  async unpublish(): Promise<unknown> {
    return this.#driver.channel.unary(NodeCalls.nodeUnpublishVolume, {
      volumeId: this.#id,
      targetPath: this.#target,
    });
  }

  async unstage(): Promise<unknown> {
    return this.#driver.channel.unary(NodeCalls.nodeUnstageVolume, {
      volumeId: this.#id,
      stagingTargetPath: this.#stage,
    });
  }

  async remove(): Promise<unknown> {
    return this.#driver.channel.unary(ControllerCalls.deleteVolume, { volumeId: this.#id });
  }

  async snapshot(): Promise<unknown> {
    const { snapshot } = await this.#driver.channel.unary(ControllerCalls.createSnapshot, {
      name: `snap-${this.#id}`,
      sourceVolumeId: this.#id,
    });
    // When it was taken is another moment each time.
    return { ...snapshot, creationTime: undefined };
  }

  async removeSnapshot(): Promise<unknown> {
    return this.#driver.channel.unary(ControllerCalls.deleteSnapshot, { snapshotId: `snap-${this.#id}` });
  }

  /** A volume from its snapshot. */
  async restore(): Promise<unknown> {
    const request = creation(`copy-${this.#id}`, { mib: this.#size, capability: this.#capability });
    const { volume } = await this.#driver.channel.unary(ControllerCalls.createVolume, {
      ...request,
      volumeContentSource: { snapshot: { snapshotId: `snap-${this.#id}` } },
    });
    return volume;
  }

  async removeCopy(): Promise<unknown> {
    return this.#driver.channel.unary(ControllerCalls.deleteVolume, { volumeId: `copy-${this.#id}` });
  }

  async expand(): Promise<unknown> {
    return this.#driver.channel.unary(ControllerCalls.controllerExpandVolume, {
      volumeId: this.#id,
      capacityRange: { requiredBytes: BigInt(2 * this.#size * MIB) },
    });
  }

  async expandOnNode(): Promise<unknown> {
    return this.#driver.channel.unary(NodeCalls.nodeExpandVolume, {
      volumeId: this.#id,
      volumePath: this.#stage,
    });
  }

  /** A file that has to survive everything. */
  write(): void {
    const bytes = Buffer.from(`${this.#id} `.repeat(100_000));
    this.#sum = sumOf(bytes);
    writeFileSync(`${this.#stage}/precious`, bytes);
    spawnSync('sync', ['-f', this.#stage]);
  }

  /** What is wrong with the volume's data; it is staged. */
  problems(): string[] {
    const file = `${this.#stage}/precious`;
    const lost =
      this.#sum === '' || (existsSync(file) && sumOf(readFileSync(file)) === this.#sum)
        ? []
        : ['the file is lost'];
    const { status } = spawnSync('timeout', [
      `${WRITE_LIMIT}`,
      'sh',
      '-c',
      'echo > "$0" && sync -f "$0"',
      `${this.#stage}/more`,
    ]);
    return status === 0 ? lost : [...lost, 'nothing can be written any more'];
  }

  /** Bytes that the file system says it has; it is staged. */
  async total(): Promise<number> {
    const { usage } = await this.#driver.channel.unary(NodeCalls.nodeGetVolumeStats, {
      volumeId: this.#id,
      volumePath: this.#stage,
    });
    return Number(usage[0]?.total ?? 0n);
  }

  get bytes(): number {
    return this.#size * MIB;
  }
}

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface CsiPlan {
  readonly name: string;
  readonly fsType: string;
  /** What came before the call. */
  readonly before: (life: Life) => Promise<void>;
  readonly call: (life: Life) => Promise<unknown>;
  /** Of the volume as it should be after it; leaves it unstaged. */
  readonly after: (life: Life) => Promise<string[]>;
}

async function staged(life: Life): Promise<void> {
  await life.create();
  await life.stage();
  life.write();
}

/** Stages it, unless it is gone, looks, and unstages it. */
async function look(life: Life): Promise<string[]> {
  await life.stage();
  const problems = life.problems();
  await life.unstage();
  return problems;
}

export const csiPlans: readonly CsiPlan[] = [
  {
    name: 'CreateVolume',
    fsType: 'ext4',
    before: async () => undefined,
    call: (life) => life.create(),
    after: look,
  },
  {
    name: 'NodeStageVolume',
    fsType: 'ext4',
    before: async (life) => {
      await staged(life);
      await life.unstage();
    },
    call: (life) => life.stage(),
    after: look,
  },
  {
    name: 'NodePublishVolume',
    fsType: 'ext4',
    before: staged,
    call: (life) => life.publish(),
    after: async (life) => {
      await life.unpublish();
      return look(life);
    },
  },
  {
    name: 'NodeUnpublishVolume',
    fsType: 'ext4',
    before: async (life) => {
      await staged(life);
      await life.publish();
    },
    call: (life) => life.unpublish(),
    after: look,
  },
  { name: 'NodeUnstageVolume', fsType: 'ext4', before: staged, call: (life) => life.unstage(), after: look },
  {
    name: 'DeleteVolume',
    fsType: 'ext4',
    before: async (life) => {
      await staged(life);
      await life.unstage();
    },
    call: (life) => life.remove(),
    after: async () => [],
  },
  {
    name: 'CreateSnapshot',
    fsType: 'ext4',
    before: staged,
    call: (life) => life.snapshot(),
    after: look,
  },
  {
    name: 'DeleteSnapshot',
    fsType: 'ext4',
    before: async (life) => {
      await staged(life);
      await life.snapshot();
    },
    call: (life) => life.removeSnapshot(),
    after: look,
  },
  {
    name: 'CreateVolume of a snapshot',
    fsType: 'ext4',
    before: async (life) => {
      await staged(life);
      await life.snapshot();
    },
    call: (life) => life.restore(),
    after: look,
  },
  {
    name: 'ControllerExpandVolume',
    fsType: 'xfs',
    before: staged,
    call: (life) => life.expand(),
    after: async (life) => {
      await life.expandOnNode();
      const total = await life.total();
      const grown = total > 1.5 * life.bytes ? [] : [`it has ${total} bytes only`];
      return [...grown, ...(await look(life))];
    },
  },
  {
    name: 'NodeExpandVolume',
    fsType: 'xfs',
    before: async (life) => {
      await staged(life);
      await life.expand();
    },
    call: (life) => life.expandOnNode(),
    after: async (life) => {
      const total = await life.total();
      const grown = total > 1.5 * life.bytes ? [] : [`it has ${total} bytes only`];
      return [...grown, ...(await look(life))];
    },
  },
];

/** What ends the life of a volume in whatever state. */
export async function end(life: Life): Promise<void> {
  await life.unpublish();
  await life.unstage();
  await life.removeCopy();
  await life.removeSnapshot();
  await life.remove();
}
