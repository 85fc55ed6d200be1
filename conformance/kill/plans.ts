/** Every type in the place where it stands in a network, as the kills at system calls take it. */

import { pluginTypes } from '../../cni/plugins/registry.ts';
import type { Config } from '../cni/configs.ts';
import type { Json } from '../cni/fresh-node.ts';
import { ipamTypes } from '../matrix/cases/ipam.ts';
import { goodCase } from '../matrix/cases.ts';

/** One type's network. */
export interface TypePlan {
  readonly type: string;
  readonly config: Config;
  /** The plugin before it. */
  readonly base?: Config;
  /** `ip` command lines that make links of the host. */
  readonly setup: readonly string[];
}

/** Types with a good case in the matrix; bridge and underpod have plans of their own, with more in them. */
export function typePlans(types: readonly string[] = pluginTypes): TypePlan[] {
  return types.flatMap((type) => {
    const one = goodCase(type);
    if (one === undefined || type === 'bridge') return [];
    const network = (keys: Json, of: string): Config => ({
      ...keys,
      cniVersion: '1.1.0',
      name: `of-${type}`,
      type: of,
    });
    const isIpam = ipamTypes.some((known) => known.type === type);
    const config = isIpam ? network({ bridge: 'br0', ...one.config }, 'bridge') : network(one.config, type);
    const base = one.base && network(one.base, String(one.base['type']));
    return [{ type, config, setup: one.setup ?? [], ...(base && { base }) }];
  });
}
