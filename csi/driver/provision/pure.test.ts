/** The decisions that need no cluster: modes, templates, topology, and what the state of an object asks for. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RpcError } from '../../../shared/grpc/error.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../shared/kube/storage-types.ts';
import { accessModeOf } from './access-modes.ts';
import { callError, goText, isFinal, isFinalChange, leavesNothing } from './call-error.ts';
import { claimStep } from './claim-step.ts';
import { driverParameters, fsTypeOf } from './class-parameters.ts';
import { type ContentFacts, contentStep } from './content-step.ts';
import { electionDelay } from './election.ts';
import { ANNOTATION } from './names.ts';
import { resizeStep } from './resize-plan.ts';
import { secretReference } from './secret-references.ts';
import { affinityOf, isAllowed, isReachable } from './topology.ts';
import { volumeStep } from './volume-step.ts';

const DRIVER = 'local.underpod.io';
const token = (name: string): string => ['$', `{${name}}`].join('');

describe('access modes', () => {
  test.each([
    [['ReadWriteOnce'], true, 'SINGLE_NODE_MULTI_WRITER'],
    [['ReadWriteOnce'], false, 'SINGLE_NODE_WRITER'],
    [['ReadWriteOncePod'], true, 'SINGLE_NODE_SINGLE_WRITER'],
    [['ReadWriteOncePod'], false, 'SINGLE_NODE_WRITER'],
    [['ReadOnlyMany'], true, 'MULTI_NODE_READER_ONLY'],
    [['ReadWriteMany', 'ReadWriteOnce'], true, 'MULTI_NODE_MULTI_WRITER'],
  ])('%j, %j: %s', (modes, multiWriter, expected) => {
    expect(accessModeOf(modes, multiWriter)).toBe(expected);
  });

  test.each([[['ReadWriteOncePod', 'ReadWriteOnce']], [['ReadOnlyMany', 'ReadWriteOnce']], [[]]])(
    'none: %j',
    (modes) => {
      expect(accessModeOf(modes, true)).toHaveProperty('why');
    },
  );
});

describe('a class', () => {
  test('keeps the driver’s parameters', () => {
    const parameters = {
      pool: 'a',
      'csi.storage.k8s.io/fstype': 'xfs',
      'csi.storage.k8s.io/secret-name': 'x',
    };
    expect(driverParameters(parameters)).toEqual({ pool: 'a' });
    expect(fsTypeOf(parameters)).toBe('xfs');
  });

  test('with its file system twice is none', () => {
    expect(() => fsTypeOf({ fsType: 'xfs', 'csi.storage.k8s.io/fstype': 'xfs' })).toThrow('both');
  });
});

describe('secrets', () => {
  const at = (name: string, namespace: string): Record<string, string> => ({
    'csi.storage.k8s.io/node-stage-secret-name': name,
    'csi.storage.k8s.io/node-stage-secret-namespace': namespace,
  });
  const subject = {
    volume: 'pvc-1',
    claim: { namespace: 'ns', name: 'data', annotations: { 'example.com/secret': 'mine' } },
  };

  test.each([
    [at('s', 'n'), { name: 's', namespace: 'n' }],
    [at(token('pvc.name'), token('pvc.namespace')), { name: 'data', namespace: 'ns' }],
    [at(`a-${token('pv.name')}`, 'n'), { name: 'a-pvc-1', namespace: 'n' }],
    [at(token("pvc.annotations['example.com/secret']"), 'n'), { name: 'mine', namespace: 'n' }],
    [
      { 'csi.storage.k8s.io/secret-name': 'd', 'csi.storage.k8s.io/secret-namespace': 'n' },
      { name: 'd', namespace: 'n' },
    ],
    [{}, undefined],
  ])('%j', (parameters, expected) => {
    expect(secretReference(parameters, 'node-stage', subject)).toEqual(expected);
  });

  test.each([
    // A user chooses his claim's name, and with it would choose the namespace.
    [at('s', token('pvc.name'))],
    [at(token('pvc.uid'), 'n')],
    [at('S', 'n')],
    [at('s', 'a.b')],
    [{ 'csi.storage.k8s.io/node-stage-secret-name': 's' }],
    [at('', 'n')],
  ])('refused: %j', (parameters) => {
    expect(() => secretReference(parameters, 'node-stage', subject)).toThrow();
  });

  test('whatever a template holds, what comes out is a name', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (name, namespace, claim) => {
        try {
          const found = secretReference(at(name, namespace), 'node-stage', {
            volume: 'pvc-1',
            claim: { namespace: 'ns', name: claim },
          });
          expect(found?.name).toMatch(/^[a-z0-9.-]+$/);
          expect(found?.namespace).toMatch(/^[a-z0-9-]+$/);
        } catch (error) {
          expect((error as Error).name).toBe('ClassError');
        }
      }),
    );
  });
});

describe('topology', () => {
  const segments = { [`${DRIVER}/node`]: 'a' };

  test('an affinity holds for where it was made from, and for nothing else', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { minKeys: 1 }), (made) => {
        expect(isReachable(affinityOf([{ segments: made }]), made)).toBe(true);
        expect(isReachable(affinityOf([{ segments: made }]), {})).toBe(false);
      }),
    );
  });

  test('without any, a volume is reached from everywhere', () => {
    expect(affinityOf([])).toBeUndefined();
    expect(isReachable(undefined, segments)).toBe(true);
  });

  test.each([
    [[{ key: `${DRIVER}/node`, values: ['a', 'b'] }], true],
    [[{ key: `${DRIVER}/node`, values: ['b'] }], false],
    [[{ key: 'zone', values: ['z'] }], false],
  ])('a class for %j: %s', (matchLabelExpressions, expected) => {
    const storageClass = { allowedTopologies: [{ matchLabelExpressions }] } as unknown as StorageClass;
    expect(isAllowed(storageClass, segments)).toBe(expected);
  });
});

describe('errors', () => {
  const signal = new AbortController().signal;

  test.each([
    ['ABORTED', false, false, false],
    ['DEADLINE_EXCEEDED', false, false, false],
    ['RESOURCE_EXHAUSTED', true, true, false],
    ['NOT_FOUND', true, true, true],
    // Nobody knows what is there.
    ['INTERNAL', true, false, true],
  ] as const)('%s', (code, final, nothing, finalChange) => {
    const error = new RpcError(code, 'x');
    expect([isFinal(error), leavesNothing(error), isFinalChange(error)]).toEqual([
      final,
      nothing,
      finalChange,
    ]);
  });

  test('are printed as Go does', () => {
    expect(goText(new RpcError('CANCELLED', 'x'))).toBe('rpc error: code = Canceled desc = x');
    expect(callError(new Error('y'), signal).code).toBe('INTERNAL');
  });

  test('of a call that was given up are no failure of its own', () => {
    expect(callError(new Error('y'), AbortSignal.abort()).code).toBe('DEADLINE_EXCEEDED');
  });
});

describe('an election', () => {
  test('whoever has more room waits less', () => {
    expect(electionDelay(1n, 1000n, 0, 0.5)).toBeLessThan(electionDelay(1n, 2n, 0, 0.5));
  });

  test('is over within its window, which grows up to a minute', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 60n }), fc.nat(), fc.nat(40), (room, asked, attempt) => {
        const delay = electionDelay(BigInt(asked), room, attempt, 0.999);
        expect(delay).toBeGreaterThanOrEqual(0);
        expect(delay).toBeLessThanOrEqual(Math.min(60_000, 2000 * 2 ** attempt));
      }),
    );
  });
});

describe('a claim', () => {
  const storageClass = { metadata: { name: 'c' }, provisioner: DRIVER } as StorageClass;
  const step = (annotations: Record<string, string>, mode?: string, more: object = {}): string => {
    const claim = {
      metadata: {
        name: 'x',
        annotations: { [ANNOTATION.storageProvisioner]: DRIVER, ...annotations },
        ...more,
      },
      spec: { storageClassName: 'c' },
    };
    const classes = new Map([['c', { ...storageClass, ...(mode && { volumeBindingMode: mode }) }]]);
    return claimStep(claim, { driver: DRIVER, node: { name: 'a', segments: {} }, classes }).do;
  };
  const selected = ANNOTATION.selectedNode;

  test.each([
    [{ [selected]: 'a' }, 'WaitForFirstConsumer', 'provision'],
    [{ [selected]: 'b' }, 'WaitForFirstConsumer', 'nothing'],
    [{}, 'WaitForFirstConsumer', 'nothing'],
    [{}, 'Immediate', 'take'],
    [{ [selected]: 'b' }, 'Immediate', 'nothing'],
    [{ [selected]: 'a' }, 'Immediate', 'provision'],
    [{ [ANNOTATION.storageProvisioner]: 'other', [selected]: 'a' }, 'Immediate', 'nothing'],
  ])('%j, %s: %s', (annotations, mode, expected) => {
    expect(step(annotations, mode)).toBe(expected);
  });

  test('that goes gets nothing', () => {
    expect(step({ [selected]: 'a' }, 'Immediate', { deletionTimestamp: 'x' })).toBe('nothing');
  });
});

describe('a volume', () => {
  const base: PersistentVolume = {
    metadata: { name: 'v', annotations: { [ANNOTATION.provisionedBy]: DRIVER }, finalizers: [] },
    spec: { csi: { driver: DRIVER, volumeHandle: 'h' }, persistentVolumeReclaimPolicy: 'Delete' },
    status: { phase: 'Bound' },
  };
  const finalizers = ['external-provisioner.volume.kubernetes.io/finalizer'];

  test.each([
    ['protect', {}],
    ['nothing', { metadata: { ...base.metadata, finalizers } }],
    ['delete', { metadata: { ...base.metadata, finalizers }, status: { phase: 'Released' } }],
    ['delete', { status: { phase: 'Released' } }],
    // It was deleted already.
    ['nothing', { metadata: { ...base.metadata, deletionTimestamp: 'x' }, status: { phase: 'Released' } }],
    [
      'release',
      {
        metadata: { ...base.metadata, finalizers },
        spec: { ...base.spec, persistentVolumeReclaimPolicy: 'Retain' },
      },
    ],
    ['nothing', { metadata: { name: 'v', annotations: { [ANNOTATION.provisionedBy]: 'other' } } }],
    ['delete', { metadata: { name: 'v' }, status: { phase: 'Released' } }],
  ])('%s', (expected, change) => {
    expect(volumeStep({ ...base, ...change }, DRIVER).do).toBe(expected);
  });
});

describe('a size', () => {
  const volume = (size: string): PersistentVolume => ({
    metadata: { name: 'v' },
    spec: { capacity: { storage: size }, claimRef: { namespace: 'n', uid: 'u' } },
  });
  const claim = (asked: string, has: string, state?: string, allocated?: string): PersistentVolumeClaim => ({
    metadata: { name: 'c', namespace: 'n', uid: 'u' },
    spec: { resources: { requests: { storage: asked } } },
    status: {
      phase: 'Bound',
      capacity: { storage: has },
      ...(state && { allocatedResourceStatuses: { storage: state } }),
      ...(allocated && { allocatedResources: { storage: allocated } }),
    },
  });

  test.each([
    ['begins', claim('2Gi', '1Gi'), '1Gi', false, { do: 'expand', size: '2Gi', isNew: true }],
    ['is there', claim('1Gi', '1Gi'), '1Gi', false, { do: 'nothing' }],
    ['waits for the node', claim('2Gi', '1Gi', 'NodeResizePending', '2Gi'), '2Gi', false, { do: 'nothing' }],
    [
      'goes on with what was begun',
      claim('3Gi', '1Gi', 'ControllerResizeInProgress', '2Gi'),
      '1Gi',
      false,
      { do: 'expand', size: '2Gi', isNew: false },
    ],
    [
      'changes once that has ended',
      claim('3Gi', '1Gi', 'ControllerResizeInProgress', '2Gi'),
      '1Gi',
      true,
      { do: 'expand', size: '3Gi', isNew: true },
    ],
    [
      'is made smaller after it could not be',
      claim('2Gi', '1Gi', 'ControllerResizeInfeasible', '9Gi'),
      '1Gi',
      false,
      { do: 'expand', size: '2Gi', isNew: true },
    ],
    [
      'was reached, and not written down',
      claim('2Gi', '1Gi', 'ControllerResizeInProgress', '2Gi'),
      '2Gi',
      false,
      { do: 'expand', size: '2Gi', isNew: false },
    ],
    [
      'waits for the node before the next',
      claim('3Gi', '1Gi', 'NodeResizePending', '2Gi'),
      '2Gi',
      false,
      { do: 'nothing' },
    ],
  ] as const)('%s', (_, asked, has, hasEnded, expected) => {
    expect(resizeStep(asked, volume(has), hasEnded)).toEqual(expected);
  });

  test('of a claim that the volume is not bound to', () => {
    const other = { metadata: { name: 'v' }, spec: { claimRef: { namespace: 'n', uid: 'another' } } };
    expect(resizeStep(claim('2Gi', '1Gi'), other, false)).toEqual({ do: 'nothing' });
  });
});

describe('a snapshot’s content', () => {
  const NAMES = {
    finalizer: 'f',
    beingCreated: 'creating',
    beingDeleted: 'deleting',
    secretName: 'n',
    secretNamespace: 'ns',
  };
  const facts = (more: Partial<ContentFacts>, metadata: object = {}): ContentFacts => ({
    metadata: { name: 'c', ...metadata },
    policy: 'Delete',
    userUid: 'u',
    isGiven: false,
    isMember: false,
    handle: undefined,
    isReady: false,
    ...more,
  });
  const going = { deletionTimestamp: 'x', annotations: { deleting: 'yes' } };
  const halfMade = { deletionTimestamp: 'x', annotations: { deleting: 'yes', creating: 'yes' } };

  test.each([
    ['create', facts({})],
    ['create', facts({ handle: 'h' })],
    ['check', facts({ isGiven: true })],
    ['check', facts({ isMember: true, handle: 'h' })],
    ['nothing', facts({ isMember: true })],
    ['nothing', facts({ handle: 'h', isReady: true })],
    ['unmark', facts({ handle: 'h', isReady: true }, { annotations: { creating: 'yes' } })],
    ['delete', facts({ handle: 'h', isReady: true }, going)],
    ['release', facts({}, going)],
    ['release', facts({ handle: 'h', policy: 'Retain' }, going)],
    ['release', facts({ handle: 'h', isMember: true }, going)],
    // It may be there: the driver is asked again first.
    ['create', facts({}, halfMade)],
    ['nothing', facts({ handle: 'h', isReady: true }, { deletionTimestamp: 'x' })],
    ['release', facts({ isGiven: true, userUid: '' }, { deletionTimestamp: 'x' })],
  ])('%s', (expected, given) => {
    expect(contentStep(given, NAMES)).toBe(expected);
  });
});
