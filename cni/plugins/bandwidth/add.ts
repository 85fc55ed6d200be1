import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import { readLimits } from './config.ts';

/** ADD: hands prevResult on, with the ifb device where one is needed. Without limits nothing else is even loaded. */
export async function addBandwidth({ conf, env }: AddRequest): Promise<Result> {
  const limits = readLimits(conf);
  const { prevResult } = conf;
  if (!prevResult) {
    throw invalidConfig('ADD needs "prevResult": bandwidth comes after a plugin that makes the interface');
  }
  if (!limits) return prevResult;
  const { addLimits } = await import('./add-limits.ts');
  const key = { network: conf.name, containerId: env.containerId, ifname: env.ifname };
  const ifb = addLimits(key, env.netns, prevResult, limits);
  return ifb ? { ...prevResult, interfaces: [...prevResult.interfaces, ifb] } : prevResult;
}
