/**
 * The chained plugins that type underpod does besides bridge: what of them a configuration or a pod asks for. Pure.
 *
 * Each has a section called like its type, with the keys that it has in a chain of its own.
 */

import type { CniArgs } from '../../protocol/args.ts';
import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readObject, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Result } from '../../protocol/result.ts';

/** In the order of ADD; DEL goes the other way. */
export const parts = ['portmap', 'bandwidth', 'firewall', 'tuning'] as const;

export type Part = (typeof parts)[number];

/**
 * The parts that ADD and CHECK have something to do for, in the order of ADD.
 *
 * @throws CniError code 6 for a section that is no object, asked for or not
 */
export function askedParts(conf: NetConf): Part[] {
  const asked: Part[] = [];
  for (const part of parts) {
    sectionOf(conf, part);
    if (isAsked(conf, part)) asked.push(part);
  }
  return asked;
}

function isAsked(conf: NetConf, part: Part): boolean {
  switch (part) {
    case 'portmap':
      return asksForPorts(conf);
    case 'bandwidth':
      return !asksForNothing(sectionOf(conf, part)) || !asksForNothing(conf.runtimeConfig['bandwidth']);
    case 'firewall':
    case 'tuning':
      // An empty one will do: it has defaults that do something.
      return isPresent(conf, part);
  }
}

/**
 * True where any pod may have it, whatever this call's asks for. So DEL has to look for it, too: a runtime may have
 * forgotten what a pod asked for, and those parts that pods ask for find out at little cost that there is nothing.
 */
export function mayBeAsked(conf: NetConf, part: Part): boolean {
  return part === 'portmap' || part === 'bandwidth' || isAsked(conf, part);
}

/** The part's configuration as if it stood in a chain behind bridge. Throws code 6 for a section that is no object. */
export function partConf(conf: NetConf, part: Part, prevResult: Result | undefined): NetConf {
  return confOf(conf, part, prevResult, sectionOf(conf, part));
}

/**
 * What the part is told of the environment. Bridge has looked for unknown keys in CNI_ARGS by then, for all of the type:
 * tuning would refuse those that are for IPAM.
 */
export function partEnv<E extends { readonly args: CniArgs }>(env: E): E {
  return { ...env, args: { ...env.args, ignoreUnknown: true } };
}

/** As `partConf`, for DEL and GC: a section that is no object (any more) must not keep what it once led to. */
export function partConfLeniently(conf: NetConf, part: Part, prevResult: Result | undefined): NetConf {
  let section: JsonObject = {};
  try {
    section = sectionOf(conf, part);
  } catch {
    // Without keys DEL and GC look where the part does things by default.
  }
  return confOf(conf, part, prevResult, section);
}

function confOf(conf: NetConf, part: Part, prevResult: Result | undefined, section: JsonObject): NetConf {
  const { cniVersion, name, runtimeConfig, args, validAttachments } = conf;
  const raw = { ...section, cniVersion, name, type: part, runtimeConfig };
  return {
    cniVersion,
    name,
    type: part,
    ipam: undefined,
    prevResult,
    runtimeConfig,
    args,
    validAttachments,
    raw,
  };
}

/** Absent, off, 0, or empty all the way down: runtimes write keys of capabilities that nobody uses like that. */
export function asksForNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return true;
  if (typeof value !== 'object') return false;
  for (const key in value) if (!asksForNothing((value as JsonObject)[key])) return false;
  return true;
}

function isPresent({ raw }: NetConf, part: Part): boolean {
  return raw[part] !== undefined && raw[part] !== null;
}

function sectionOf(conf: NetConf, part: Part): JsonObject {
  return readObject(conf.raw[part], part) ?? {};
}

function asksForPorts({ runtimeConfig }: NetConf): boolean {
  let index = 0;
  for (const entry of readArray(runtimeConfig['portMappings'], 'runtimeConfig.portMappings') ?? []) {
    const path = `runtimeConfig.portMappings[${index++}]`;
    if ((readUint(readObject(entry, path)?.['hostPort'], `${path}.hostPort`) ?? 0) !== 0) return true;
  }
  return false;
}
