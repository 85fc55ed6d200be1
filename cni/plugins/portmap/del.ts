import { readArray } from '../../protocol/json.ts';
import type { DelRequest } from '../../protocol/plugin.ts';
import type { DelOptions } from '../common/delegate.ts';
import { isRecorded } from './record.ts';

/**
 * DEL: removes the container's rules from wherever they may be, whichever backend the configuration names now: it may
 * have changed since, and upstream's plugin, which prefers iptables, may have made them. Without mappings there is
 * something only where the runtime has forgotten them; of those that ADD made it left a record.
 */
export async function delPortmap({ conf, env }: DelRequest, { collect }: DelOptions = {}): Promise<void> {
  const asked = readArray(conf.runtimeConfig['portMappings'], 'runtimeConfig.portMappings') ?? [];
  if (asked.length === 0 && !isRecorded(conf.name, env.containerId)) return;
  const { portsRemoval } = await import('./del-ports.ts');
  const removal = portsRemoval(conf.name, env.containerId);
  if (collect) collect.push(removal);
  else await (await import('../common/remove-rules-alone.ts')).removeRulesAlone([removal]);
}
