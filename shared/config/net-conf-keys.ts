/** The top level of net-conf.json: which keys there are and how they are spelled. Pure. */

/** net-conf.json is not usable; the message names the key and says what to write instead. */
export class NetConfError extends Error {
  override readonly name = 'NetConfError';
}

/** Every key that flannel's configuration reads (pkg/subnet/config.go, type Config). */
const knownKeys = [
  'Network',
  'IPv6Network',
  'EnableIPv4',
  'EnableIPv6',
  'EnableNFTables',
  'SubnetLen',
  'SubnetMin',
  'SubnetMax',
  'IPv6SubnetLen',
  'IPv6SubnetMin',
  'IPv6SubnetMax',
  'Backend',
] as const;

export type NetConfKey = (typeof knownKeys)[number];

/** Values by their canonical key, still unchecked; `null` counts as absent, as in Go. */
export type NetConfValues = { readonly [K in NetConfKey]?: unknown };

/**
 * Sorts the top level of a parsed net-conf.json into known and unknown keys. Letter case does not matter, since Go's
 * decoder takes `"network"` for `Network` and files that rely on it exist.
 *
 * @throws NetConfError not an object, or a key twice in different spellings
 */
export function readKeys(value: unknown): { values: NetConfValues; unknownKeys: string[] } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new NetConfError('net-conf.json must be an object such as {"Network": "10.244.0.0/16"}');
  }
  const values: { [K in NetConfKey]?: unknown } = {};
  const unknownKeys: string[] = [];
  for (const [key, entry] of Object.entries(value)) {
    const known = knownKeys.find((name) => name.toLowerCase() === key.toLowerCase());
    if (known === undefined) {
      unknownKeys.push(key);
    } else if (known in values) {
      throw new NetConfError(`${known} is given twice, in different spellings; keep one`);
    } else if (entry !== null) {
      values[known] = entry;
    }
  }
  return { values, unknownKeys };
}
