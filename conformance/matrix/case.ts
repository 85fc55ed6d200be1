/** What the matrix is made of: types and cases are data, see `cases/`. Pure. */

import type { Json } from '../cni/fresh-node.ts';

/** One configuration of a type, given to both sides as it is. */
export interface Case {
  readonly name: string;
  /** The type's own keys; name, version and type are added. */
  readonly config: Json;
  /** Parts of types that it takes, beside the type itself (cni/features.ts). */
  readonly parts?: readonly string[];
  /** `ip` command lines that make what the configuration needs on the host. */
  readonly setup?: readonly string[];
  /** A main type's keys, with its type: upstream's plugin makes the pod's interface, and prevResult, for both sides. */
  readonly base?: Json;
  /** CNI_ARGS. */
  readonly args?: string;
  /** Files that are there before, by absolute path below a state directory. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A plugin type with its cases. */
export interface TypeCases {
  readonly type: string;
  readonly cases: readonly Case[];
  /** Versions that upstream's plugin has; all unless given. */
  readonly versions?: readonly string[];
}

/** The versions of the specification with lists of interfaces and addresses. */
export const versions: readonly string[] = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'];

/** host-local with a range of one family or of both. */
export const hostLocal: Json = { type: 'host-local', ranges: [[{ subnet: '10.80.0.0/24' }]] };
export const dualStack: Json = {
  type: 'host-local',
  ranges: [[{ subnet: '10.80.0.0/24' }], [{ subnet: 'fd00:80::/64' }]],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
};

/** What chained types follow. */
export const behindBridge: Json = {
  type: 'bridge',
  bridge: 'br0',
  isGateway: true,
  isDefaultGateway: true,
  ipam: { ...dualStack, routes: [] },
};

/** A link of the host to hang interfaces on, up and with a carrier. */
export const master: readonly string[] = [
  'ip link add name up0 type veth peer name up1',
  'ip link set up1 up',
  'ip link set up0 up',
];
