/** A lease as it lies on the disk: all that a daemon needs to go on with it. Pure. */

import { parseMac } from '../../../shared/ip/mac.ts';
import type { DhcpTarget } from '../../protocol/dhcp-daemon.ts';
import { readTarget } from '../../protocol/dhcp-daemon.ts';
import { decodingFailure } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { parseJsonObject, readInteger, readObject, requireString } from '../../protocol/json.ts';
import type { Lease } from '../client/lease.ts';
import { decodeMessage, encodeMessage } from '../codec/message.ts';
import { OPTION } from '../codec/option-codes.ts';
import { readIp } from '../codec/options.ts';
import type { PodIdentity } from './pod.ts';

/** Written by this release; a file of another one is left alone. */
const VERSION = 1;

export interface LeaseRecord {
  /** Whose lease it is, and what it was asked for with. */
  readonly holder: DhcpTarget;
  readonly pod: PodIdentity;
  readonly lease: Lease;
  /** The address was lost and taken from the pod; a server is looked for that gives it again. */
  readonly lost: boolean;
  /** The boot that the lease's times belong to. */
  readonly bootId: string;
}

export function encodeRecord({ holder, pod, lease, lost, bootId }: LeaseRecord): string {
  const { ack, via, renewAt, rebindAt, expiresAt } = lease;
  const times = { renewAt: finite(renewAt), rebindAt: finite(rebindAt), expiresAt: finite(expiresAt) };
  return `${JSON.stringify(
    {
      version: VERSION,
      holder,
      pod,
      bootId,
      lost,
      lease: { ack: encodeMessage(ack).toHex(), via: via.toHex(), ...times },
    },
    undefined,
    2,
  )}\n`;
}

/** @throws CniError code 6 for what is no record of this version */
export function decodeRecord(bytes: Uint8Array): LeaseRecord {
  const raw = parseJsonObject(bytes, 'the lease');
  const version = readInteger(raw['version'], 'version');
  if (version !== VERSION) throw decodingFailure(`the lease has version ${version}, not ${VERSION}`);
  const pod = readObject(raw['pod'], 'pod') ?? {};
  const mac = requireString(pod['mac'], 'pod.mac');
  if (!parseMac(mac)) throw decodingFailure('pod.mac is no hardware address');
  return {
    holder: readTarget(readObject(raw['holder'], 'holder') ?? {}),
    pod: {
      netns: requireString(pod['netns'], 'pod.netns'),
      ifindex: readInteger(pod['ifindex'], 'pod.ifindex') ?? 0,
      mac,
    },
    lease: readLease(readObject(raw['lease'], 'lease') ?? {}),
    lost: raw['lost'] === true,
    bootId: requireString(raw['bootId'], 'bootId'),
  };
}

function readLease(raw: JsonObject): Lease {
  const ack = decodeMessage(fromHex(raw['ack'], 'lease.ack'));
  const server = ack && readIp(ack, OPTION.SERVER_ID);
  if (!ack || !server) throw decodingFailure('lease.ack is no answer of a DHCP server');
  const time = (key: string): number => readInteger(raw[key], `lease.${key}`) ?? Number.POSITIVE_INFINITY;
  return {
    ack,
    address: ack.yiaddr,
    server,
    via: fromHex(raw['via'], 'lease.via'),
    renewAt: time('renewAt'),
    rebindAt: time('rebindAt'),
    expiresAt: time('expiresAt'),
  };
}

function fromHex(value: unknown, path: string): Uint8Array {
  try {
    return Uint8Array.fromHex(requireString(value, path));
  } catch (cause) {
    throw decodingFailure(`${path} must be bytes in hex`, { cause });
  }
}

/** Null for ever: JSON knows no infinity. */
function finite(ms: number): number | null {
  return Number.isFinite(ms) ? Math.round(ms) : null;
}
