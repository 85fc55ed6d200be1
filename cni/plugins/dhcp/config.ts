/** dhcp's keys. Pure. */

import type { CniArgs } from '../../protocol/args.ts';
import { argValue } from '../../protocol/args.ts';
import type { ProvidedOption } from '../../protocol/dhcp-daemon.ts';
import { defaultDhcpSocket } from '../../protocol/dhcp-daemon.ts';
import { decodingFailure, invalidConfig } from '../../protocol/error.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readBoolean, readInteger, readObject, readString } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';

/** The `ipam` section of type dhcp. */
export interface DhcpConfig {
  /** `provide`: options to send, each code once, the last one counts. */
  readonly provide: readonly ProvidedOption[];
  /** `request` and the default ones: option numbers that the server is asked for. */
  readonly request: readonly number[];
  /** `priority`: metric of the routes; 0 leaves it to the kernel. */
  readonly priority: number;
}

/** Names that options have beside their numbers: upstream's, as in dhcp-options(5). */
const optionNames: Readonly<Record<string, number>> = {
  'subnet-mask': 1,
  routers: 3,
  'host-name': 12,
  'vendor-class-identifier': 60,
  'dhcp-client-identifier': 61,
  'user-class': 77,
};

/** What the client itself says in these: requested address, overload, message type, server, request list (RFC 2132). */
const ownOptions: readonly number[] = [50, 52, 53, 54, 55];

/** Router and subnet mask. */
const defaultRequest: readonly number[] = [3, 1];

/** What is asked for where `skipDefault` leaves nothing else: mask, router, domain name, name servers. */
const fallbackRequest: readonly number[] = [1, 3, 15, 6];

/** Bytes of an option's value. */
const longest = 255;

/** Reads and checks the section, for ADD and CHECK. Throws code 6 for wrong types, 7 for what makes no sense. */
export function readDhcpConfig(conf: NetConf, args: CniArgs): DhcpConfig {
  if (!conf.ipam) throw invalidConfig('the configuration has no "ipam" section: dhcp is used as its type');
  const { raw } = conf.ipam;
  const priority = readInteger(raw['priority'], 'ipam.priority') ?? 0;
  if (priority < 0) throw invalidConfig(`ipam.priority ${priority} must be 0 or more`);
  return { provide: readProvide(raw, args), request: readRequest(raw), priority };
}

/** `daemonSocketPath`: all that DEL, GC and STATUS need. */
export function readSocketPath(conf: NetConf): string {
  return readString(conf.ipam?.raw['daemonSocketPath'], 'ipam.daemonSocketPath') || defaultDhcpSocket;
}

function readProvide(raw: JsonObject, args: CniArgs): readonly ProvidedOption[] {
  const byCode = new Map<number, ProvidedOption>();
  let index = 0;
  for (const entry of readArray(raw['provide'], 'ipam.provide') ?? []) {
    const path = `ipam.provide[${index++}]`;
    const option = readEntry(entry, path);
    const code = readCode(option['option'], `${path}.option`);
    if (ownOptions.includes(code)) {
      throw invalidConfig(`${path}: option ${code} is the client's own: remove it`);
    }
    const value = readString(option['value'], `${path}.value`) ?? '';
    if (value !== '') byCode.set(code, provided(code, value, `${path}.value`));
    const key = readString(option['fromArg'], `${path}.fromArg`) ?? '';
    const given = key === '' ? undefined : argValue(args, key);
    if (given !== undefined) byCode.set(code, provided(code, given, `${path}: CNI_ARGS ${key}`));
  }
  return [...byCode.values()];
}

function provided(code: number, value: string, path: string): ProvidedOption {
  const bytes = new TextEncoder().encode(value);
  if (bytes.length <= longest) return { code, hex: bytes.toHex() };
  throw invalidConfig(`${path} has ${bytes.length} bytes: an option holds ${longest} at most`);
}

function readRequest(raw: JsonObject): readonly number[] {
  const codes: number[] = [];
  let skipDefault = false;
  let index = 0;
  for (const entry of readArray(raw['request'], 'ipam.request') ?? []) {
    const path = `ipam.request[${index++}]`;
    const option = readEntry(entry, path);
    if (readBoolean(option['skipDefault'], `${path}.skipDefault`)) skipDefault = true;
    // An entry may hold nothing but skipDefault.
    if ((readString(option['option'], `${path}.option`) ?? '') === '') continue;
    addCode(codes, readCode(option['option'], `${path}.option`));
  }
  if (!skipDefault) for (const code of defaultRequest) addCode(codes, code);
  return codes.length === 0 ? fallbackRequest : codes;
}

function addCode(codes: number[], code: number): void {
  if (!codes.includes(code)) codes.push(code);
}

function readEntry(entry: unknown, path: string): JsonObject {
  const option = readObject(entry, path);
  if (option) return option;
  throw decodingFailure(`${path} must be an object, got null`);
}

/** A number in text, or a name. */
function readCode(value: unknown, path: string): number {
  const text = readString(value, path) ?? '';
  const code = Object.hasOwn(optionNames, text) ? optionNames[text] : decimal(text);
  if (code !== undefined && code > 0 && code < 255) return code;
  throw invalidConfig(`${path} ${JSON.stringify(text)} is no option that can be used`, {
    details: `write its number, "1" to "254", or one of ${Object.keys(optionNames).join(', ')}`,
  });
}

function decimal(text: string): number | undefined {
  if (text.length === 0 || text.length > 3) return undefined;
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}
