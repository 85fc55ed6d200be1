/**
 * What the plugin `dhcp` and its daemon say to each other, over a unix socket: one JSON object a line, an answer to each
 * request. Pure.
 */

import { CniError, decodingFailure } from './error.ts';
import type { JsonObject } from './json.ts';
import { parseJsonObject, readArray, readInteger, readObject, readString, requireString } from './json.ts';
import type { Attachment } from './net-conf.ts';

/** Both sides carry it; another one is refused, never guessed at. */
export const dhcpProtocolVersion = 1;

export const defaultDhcpSocket = '/run/underpod/dhcp.sock';

/** Bytes of a line at most: a list of 10,000 attachments takes 1.5 MB. */
export const maxDhcpLine: number = 4 << 20;

/** An option to send: its number and its bytes in hex. */
export interface ProvidedOption {
  readonly code: number;
  readonly hex: string;
}

/** Who asks, where, and for what. */
export interface DhcpTarget extends Attachment {
  readonly network: string;
  /** Absolute path of the network namespace. */
  readonly netns: string;
  readonly provide: readonly ProvidedOption[];
  /** Option numbers that the server is asked for. */
  readonly request: readonly number[];
  /** Metric of the routes; 0 leaves it to the kernel. */
  readonly priority: number;
}

export type DhcpRequest =
  /** Gets a lease and keeps it from then on. Answer: `{result}`. */
  | ({ readonly op: 'allocate' } & DhcpTarget)
  /** The lease is there, and for `address` where one is given; one that nobody keeps is taken over. Answer: `{}`. */
  | ({ readonly op: 'check'; readonly address: string | undefined } & DhcpTarget)
  /** Gives the lease back; none is fine. Answer: `{}`. */
  | ({ readonly op: 'release'; readonly network: string } & Attachment)
  /** Answer: `{attachments}` of the network. */
  | { readonly op: 'list'; readonly network: string }
  /** Answer: `{}`. */
  | { readonly op: 'status' };

export function encodeDhcpRequest(request: DhcpRequest): string {
  return `${JSON.stringify({ version: dhcpProtocolVersion, ...request })}\n`;
}

/** @throws CniError code 6 for what is no request of this version */
export function decodeDhcpRequest(line: Uint8Array): DhcpRequest {
  const raw = parseJsonObject(line, 'the request');
  requireVersion(raw, 'the request');
  const op = requireString(raw['op'], 'op');
  if (op === 'status') return { op };
  if (op === 'list') return { op, network: requireString(raw['network'], 'network') };
  if (op === 'release')
    return { op, network: requireString(raw['network'], 'network'), ...readAttachment(raw, '') };
  if (op !== 'allocate' && op !== 'check') throw decodingFailure(`op is ${JSON.stringify(op)}`);
  const target = readTarget(raw);
  if (op === 'allocate') return { op, ...target };
  return { op, ...target, address: readString(raw['address'], 'address') };
}

/** @throws CniError code 6 for what is none */
export function readTarget(raw: JsonObject): DhcpTarget {
  return {
    network: requireString(raw['network'], 'network'),
    ...readAttachment(raw, ''),
    netns: requireString(raw['netns'], 'netns'),
    provide: (readArray(raw['provide'], 'provide') ?? []).map(readProvided),
    request: (readArray(raw['request'], 'request') ?? []).map((code, at) => readCode(code, `request[${at}]`)),
    priority: readInteger(raw['priority'], 'priority') ?? 0,
  };
}

export function encodeDhcpAnswer(answer: JsonObject): string {
  return `${JSON.stringify({ version: dhcpProtocolVersion, ...answer })}\n`;
}

export function encodeDhcpError({ code, message, details }: CniError): string {
  return encodeDhcpAnswer({ error: { code, message, details } });
}

/** The answer's keys. @throws CniError the error that it carries; code 6 for what is no answer of this version */
export function decodeDhcpAnswer(line: Uint8Array): JsonObject {
  const raw = parseJsonObject(line, "the daemon's answer");
  requireVersion(raw, "the daemon's answer");
  const error = readObject(raw['error'], 'error');
  if (!error) return raw;
  throw new CniError(
    readInteger(error['code'], 'error.code') ?? 999,
    requireString(error['message'], 'error.message'),
    {
      details: readString(error['details'], 'error.details'),
    },
  );
}

/** `attachments` of the answer to `list`. */
export function readAttachments(answer: JsonObject): Attachment[] {
  const attachments: Attachment[] = [];
  for (const entry of readArray(answer['attachments'], 'attachments') ?? []) {
    attachments.push(readAttachment(readObject(entry, 'attachments[]') ?? {}, 'attachments[].'));
  }
  return attachments;
}

function readAttachment(raw: JsonObject, path: string): Attachment {
  return {
    containerId: requireString(raw['containerId'], `${path}containerId`),
    ifname: requireString(raw['ifname'], `${path}ifname`),
  };
}

function readProvided(entry: unknown, index: number): ProvidedOption {
  const path = `provide[${index}]`;
  const raw = readObject(entry, path) ?? {};
  const hex = requireString(raw['hex'], `${path}.hex`);
  if (/^([0-9a-f]{2}){0,255}$/.test(hex)) return { code: readCode(raw['code'], `${path}.code`), hex };
  throw decodingFailure(`${path}.hex must be up to 255 bytes in hex`);
}

function readCode(value: unknown, path: string): number {
  const code = readInteger(value, path) ?? 0;
  if (code > 0 && code < 255) return code;
  throw decodingFailure(`${path} must be an option's number, 1 to 254`);
}

function requireVersion(raw: JsonObject, what: string): void {
  const version = readInteger(raw['version'], 'version');
  if (version === dhcpProtocolVersion) return;
  throw decodingFailure(
    `${what} has version ${version ?? '(none)'}, not ${dhcpProtocolVersion}: ` +
      "the CNI plugin and the daemon are of different releases; restart the daemon with this node's underpod",
  );
}
