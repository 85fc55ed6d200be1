import {
  AccessModeMode,
  ControllerCalls,
  GroupControllerCalls,
  IdentityCalls,
  NodeCalls,
} from '#messages/csi';
import type { AnyMethod } from '../../../csi/driver/calls.ts';
import { validators } from '../../../csi/driver/validate.ts';
import { RpcError } from '../../../shared/grpc/error.ts';
import { decode } from '../../../shared/grpc/wire/decode.ts';
import { encode } from '../../../shared/grpc/wire/encode.ts';
import { type AnyMessageType, WireError } from '../../../shared/grpc/wire/schema.ts';
import { allowedCodes } from '../csi/codes.ts';
import { mutateMessage } from '../csi/mutate-message.ts';
import { Sandbox } from '../csi/sandbox.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { must, type Target, target } from '../target.ts';

const methods = {
  ...IdentityCalls,
  ...ControllerCalls,
  ...NodeCalls,
  ...GroupControllerCalls,
} as unknown as Readonly<Record<string, AnyMethod>>;

/** Stands for the sandbox's directory of the kubelet: a request that leads elsewhere is checked, and not made. */
const KUBELET = '/kubelet';
const PATHS = ['stagingTargetPath', 'targetPath'] as const;

const capability = { mount: { fsType: 'ext4' }, accessMode: { mode: AccessModeMode.SINGLE_NODE_WRITER } };
const block = { block: {}, accessMode: capability.accessMode };
const capacityRange = { requiredBytes: 1n << 20n, limitBytes: 1n << 30n };
const [stage, pod] = [`${KUBELET}/stage`, `${KUBELET}/pod`];

/** Requests that mean something to the sandbox's driver, by call. */
const valid: readonly (readonly [call: string, message: object])[] = [
  [
    'createVolume',
    { name: 'new', capacityRange, volumeCapabilities: [capability], parameters: { pool: 'default' } },
  ],
  ['createVolume', { name: 'pvc-1', capacityRange, volumeCapabilities: [capability] }],
  [
    'createVolume',
    {
      name: 'copy',
      volumeCapabilities: [block],
      volumeContentSource: { volume: { volumeId: 'pvc-2' } },
      mutableParameters: { readIOPS: '100' },
      secrets: { password: 'x' },
      accessibilityRequirements: { requisite: [{ segments: { 'local.underpod.io/node': 'node-1' } }] },
    },
  ],
  [
    'createVolume',
    {
      name: 'restored',
      volumeCapabilities: [capability],
      volumeContentSource: { snapshot: { snapshotId: 'snap-1' } },
    },
  ],
  ['deleteVolume', { volumeId: 'pvc-1' }],
  ['controllerPublishVolume', { volumeId: 'pvc-1', nodeId: 'node-1', volumeCapability: capability }],
  [
    'validateVolumeCapabilities',
    { volumeId: 'pvc-1', volumeCapabilities: [capability], parameters: { backend: 'loop' } },
  ],
  ['listVolumes', { maxEntries: 1 }],
  ['listVolumes', { startingToken: 'from:pvc-1' }],
  ['getCapacity', { volumeCapabilities: [capability], parameters: { backend: 'loop' } }],
  ['createSnapshot', { name: 'snap-2', sourceVolumeId: 'pvc-1' }],
  ['deleteSnapshot', { snapshotId: 'snap-1' }],
  ['listSnapshots', { maxEntries: 1, sourceVolumeId: 'pvc-1' }],
  ['getSnapshot', { snapshotId: 'snap-1' }],
  ['controllerExpandVolume', { volumeId: 'pvc-1', capacityRange: { requiredBytes: 2n << 20n } }],
  ['controllerGetVolume', { volumeId: 'pvc-1' }],
  ['controllerModifyVolume', { volumeId: 'pvc-1', mutableParameters: { writeBPS: '1000' } }],
  ['nodeStageVolume', { volumeId: 'pvc-1', stagingTargetPath: stage, volumeCapability: capability }],
  ['nodeStageVolume', { volumeId: 'pvc-2', stagingTargetPath: stage, volumeCapability: block }],
  ['nodeUnstageVolume', { volumeId: 'pvc-1', stagingTargetPath: stage }],
  [
    'nodePublishVolume',
    { volumeId: 'pvc-1', stagingTargetPath: stage, targetPath: pod, volumeCapability: capability },
  ],
  [
    'nodePublishVolume',
    {
      volumeId: 'csi-inline',
      targetPath: pod,
      volumeCapability: capability,
      volumeContext: {
        'csi.storage.k8s.io/ephemeral': 'true',
        size: '1Mi',
        'csi.storage.k8s.io/pod.uid': 'u-1',
      },
    },
  ],
  ['nodeUnpublishVolume', { volumeId: 'pvc-1', targetPath: pod }],
  ['nodeGetVolumeStats', { volumeId: 'pvc-1', volumePath: pod }],
  ['nodeExpandVolume', { volumeId: 'pvc-1', volumePath: pod, capacityRange }],
  ['createVolumeGroupSnapshot', { name: 'group-2', sourceVolumeIds: ['pvc-1', 'pvc-2'] }],
  ['deleteVolumeGroupSnapshot', { groupSnapshotId: 'group-1' }],
  ['getVolumeGroupSnapshot', { groupSnapshotId: 'group-1' }],
];

interface Input {
  readonly call: string;
  readonly bytes: Uint8Array;
}

const methodOf = (call: string): AnyMethod => methods[call] as AnyMethod;
const inputOf = (call: string, message: object): Input => ({
  call,
  bytes: encode(methodOf(call).request, message),
});

let sandbox: Sandbox | undefined;
let isAsNew = false;

async function freshSandbox(): Promise<Sandbox> {
  sandbox ??= new Sandbox();
  if (!isAsNew) await sandbox.renew();
  isAsNew = true;
  return sandbox;
}

/** A whole call of the local driver, from its bytes to what is on the disk. */
export const csiRequest: Target = target<Input>({
  name: 'csi-request',
  generate: (random) => {
    const [call, message] = random.pick(valid);
    const type = methodOf(call).request as AnyMessageType;
    let changed = message;
    for (let n = random.below(3); n >= 0; n--) changed = mutateMessage(type, changed, random);
    const { bytes } = inputOf(call, changed);
    return { call, bytes: random.below(5) === 0 ? mutateBytes(bytes, random) : bytes };
  },
  seeds: valid.map(([call, message]) => inputOf(call, message)),
  changed: ({ call, bytes }) => `${call} ${bytes.toHex()}`,
  judge: async ({ call, bytes }) => {
    const method = methodOf(call);
    let request: Record<string, unknown>;
    try {
      request = decode(method.request, bytes) as Record<string, unknown>;
    } catch (error) {
      if (error instanceof WireError) return 'refused';
      throw error;
    }
    try {
      (validators as unknown as Record<string, ((request: object) => void) | undefined>)[call]?.(request);
    } catch (error) {
      must(error instanceof RpcError, 'a validator throws nothing but RpcError');
      must(
        ['INVALID_ARGUMENT', 'OUT_OF_RANGE'].includes(error.code),
        `a validator does not answer ${error.code}`,
      );
      return 'refused';
    }
    const place = await freshSandbox();
    for (const name of PATHS) {
      const path = request[name];
      if (typeof path !== 'string' || path === '') continue;
      if (!path.startsWith(`${KUBELET}/`)) return 'accepted';
      request[name] = `${place.kubelet}${path.slice(KUBELET.length)}`;
    }
    isAsNew = /^(list|get|controllerGet|nodeGet|validate)/.test(call);
    try {
      const answer = await place.calls.run(call, method, request, new AbortController().signal);
      decode(method.response, encode(method.response, answer));
    } catch (error) {
      must(error instanceof RpcError, 'a call fails with RpcError alone');
      must(
        allowedCodes(call).includes(error.code),
        `${call} does not answer ${error.code}: ${error.details}`,
      );
    }
    place.check();
    return 'accepted';
  },
  dispose: () => {
    sandbox?.[Symbol.dispose]();
    sandbox = undefined;
    isAsNew = false;
  },
  describe: ({ call, bytes }) => {
    try {
      const shown = (_key: string, value: unknown): unknown =>
        typeof value === 'bigint' ? `${value}n` : value;
      return `${call} ${JSON.stringify(decode(methodOf(call).request, bytes), shown)}`;
    } catch {
      return `${call} ${bytes.toHex()}`;
    }
  },
});
