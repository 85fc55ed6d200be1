/**
 * Reading objects of Kubernetes that nobody has validated: what has the wrong type counts as absent, and what is wrong is
 * told instead of thrown. Pure.
 */

import { type Cidr, networkOf, parseCidr } from '../../../shared/ip/cidr.ts';
import { type Address, familyOf, parseAddress } from './endpoint.ts';
import type { Protocol } from './service-port.ts';

export type Fields = Readonly<Record<string, unknown>>;

const NOTHING: Fields = {};
const NONE: readonly unknown[] = [];

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : NOTHING;
}

export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : NONE;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A whole number from `least` to `most`. */
export function numberOf(value: unknown, least: number, most: number): number | undefined {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
    ? (value as number)
    : undefined;
}

/** 1 to 65535. */
export function portNumberOf(value: unknown): number | undefined {
  return numberOf(value, 1, 65_535);
}

/** Absent: TCP, as the API server has it. `undefined`: none that there is. */
export function protocolOf(value: unknown): Protocol | undefined {
  if (value === undefined || value === null) return 'TCP';
  return value === 'TCP' || value === 'UDP' || value === 'SCTP' ? value : undefined;
}

/** RFC 1123: what the API server lets be a name, a namespace or a port's name. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 253 && /^[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?$/.test(value);
}

/** A port's name: `otherwise` where it is left out. `undefined`: none that may be. */
export function nameOr(value: unknown, otherwise: string): string | undefined {
  if (value === undefined || value === null || value === '') return otherwise;
  return isName(value) ? value : undefined;
}

/** As Go's older parsers took them, and so what may still be stored: with leading zeros, `010.001.0.1`. */
export function addressIn(value: unknown): Address | undefined {
  if (typeof value !== 'string') return undefined;
  return parseAddress(value) ?? parseAddress(withoutLeadingZeros(value));
}

/** A network without host bits; around it there may be spaces. */
export function networkIn(value: unknown): Cidr | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  const cidr = parseCidr(text) ?? parseCidr(withoutLeadingZeros(text));
  return cidr && networkOf(cidr);
}

function withoutLeadingZeros(text: string): string {
  return text.includes(':') ? text : text.replace(/(^|\.)0+(?=\d)/g, '$1');
}

/** An address that one other machine can have: neither unspecified, loopback, multicast nor broadcast. */
export function isUnicast(address: Address): boolean {
  const first = address.charCodeAt(0);
  if (familyOf(address) === 4) {
    if (first === 127 || (first >= 224 && first <= 239)) return false;
    return address !== '\0\0\0\0' && address !== '\xff\xff\xff\xff';
  }
  if (first === 0xff) return false;
  for (let at = 0; at < 15; at += 1) if (address.charCodeAt(at) !== 0) return true;
  return address.charCodeAt(15) > 1;
}

/** A value in a message: short, on one line. */
export function shown(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // What cannot be written, as nothing from JSON.
  }
  text ??= String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** More problems of one object are counted only. */
const MOST_PROBLEMS = 5;
const NO_PROBLEMS: readonly string[] = [];

/** The first few of what is wrong with an object. */
export function few(problems: readonly string[]): readonly string[] {
  if (problems.length === 0) return NO_PROBLEMS;
  if (problems.length <= MOST_PROBLEMS) return problems;
  return [...problems.slice(0, MOST_PROBLEMS), `and ${problems.length - MOST_PROBLEMS} more`];
}
