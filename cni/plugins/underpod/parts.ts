/**
 * The chained plugins that type underpod does besides bridge: what of them a configuration or a pod asks for. Pure.
 *
 * Each has a section called like its type, with the keys that it has in a chain of its own.
 */

import type { JsonObject } from '../../protocol/json.ts';
import { readArray, readObject, readUint } from '../../protocol/json.ts';
import type { NetConf } from '../../protocol/net-conf.ts';
import type { Result } from '../../protocol/result.ts';

/** In the order of ADD; DEL goes the other way. */
export const parts = ['portmap', 'bandwidth', 'firewall', 'tuning'] as const;

export type Part = (typeof parts)[number];

/** True where ADD and CHECK have something to do for the part. */
export function isAsked(conf: NetConf, part: Part): boolean {
  switch (part) {
    case 'portmap':
      return asksForPorts(conf);
    case 'bandwidth':
      return !asksForNothing(sectionOf(conf, part)) || !asksForNothing(conf.runtimeConfig['bandwidth']);
    case 'firewall':
    case 'tuning':
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

/** The part's configuration as if it stood in a chain behind bridge. */
export function partConf(conf: NetConf, part: Part, prevResult: Result | undefined): NetConf {
  const { cniVersion, name, runtimeConfig, args, validAttachments } = conf;
  const raw = { ...sectionOf(conf, part), cniVersion, name, type: part, runtimeConfig };
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

/** One that does something without being told more: an empty section will do. */
function isPresent({ raw }: NetConf, part: Part): boolean {
  return readObject(raw[part], part) !== undefined;
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
