import { type Ip, ipToBytes } from '../../ip/ip.ts';
import { networkU16 } from './bytes.ts';
import type { Field } from './field.ts';
import { loadKey, named, type SetName } from './lookup.ts';
import type { Part } from './rule.ts';

/** `dnat ip to 10.0.0.1:80`: prerouting and output, nat chains only. A port needs a match on the protocol before. */
export function dnatTo(address: Ip, port?: number): Part {
  const family = address.family === 4 ? 'ip' : 'ip6';
  return (draft) => {
    draft.push({ kind: 'immediate', dest: 0, value: ipToBytes(address) });
    if (port !== undefined) draft.push({ kind: 'immediate', dest: 4, value: networkU16(port) });
    draft.push({
      kind: 'nat',
      type: 'dnat',
      family,
      addressMin: 0,
      ...(port === undefined ? {} : { portMin: 4 }),
      flags: [],
    });
  };
}

/**
 * `dnat ip to … map @map` where the map's values are (address . port). Goes on with the next rule if the map has no
 * such key.
 */
export function dnatFromMap(family: 'ip' | 'ip6', key: Field | readonly Field[], map: SetName): Part {
  return (draft) => {
    draft.needNetwork(family);
    loadKey(draft, key);
    draft.push(
      { kind: 'lookup', ...named(map), source: 0, dest: 0 },
      { kind: 'nat', type: 'dnat', family, addressMin: 0, portMin: family === 'ip' ? 1 : 4, flags: [] },
    );
  };
}
