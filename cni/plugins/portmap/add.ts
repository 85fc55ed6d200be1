import type { Cidr } from '../../../shared/ip/cidr.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { PortmapConfig } from './config.ts';
import { readPortmapConfig } from './config.ts';
import { targetsOf } from './target.ts';

/** ADD: hands prevResult on. Without mappings nothing else is even loaded. */
export async function addPortmap(request: AddRequest): Promise<Result> {
  const { conf, env } = request;
  const config = readPortmapConfig(conf);
  const { prevResult } = conf;
  if (!prevResult) {
    throw invalidConfig('ADD needs "prevResult": portmap comes after a plugin that makes the interface');
  }
  if (config.mappings.length === 0) return prevResult;
  const targets = targetsOf(prevResult, env.ifname);
  if (targets.length > 0) await forward(request, config, targets);
  return prevResult;
}

/** All or nothing: the rules are one transaction, and what comes after them is undone with them when it fails. */
async function forward(
  { conf, env }: AddRequest,
  config: PortmapConfig,
  targets: readonly Cidr[],
): Promise<void> {
  const { containerId } = env;
  const { recordPorts, forgetPorts } = await import('./record.ts');
  const backend = config.backend === 'nftables' ? await import('./nft-backend.ts') : undefined;
  recordPorts(conf.name, containerId);
  try {
    if (backend) await backend.addNftPorts(config, containerId, targets);
    else
      await (await import('./iptables-backend.ts')).addIptablesPorts(config, conf.name, containerId, targets);
    for (const { ip } of targets) {
      if (ip.family === 4 && config.snat) (await import('./localnet.ts')).enableLocalnet(ip);
    }
  } catch (error) {
    const { delPorts } = await import('./del.ts');
    await delPorts(conf.name, containerId);
    forgetPorts(conf.name, containerId);
    throw error;
  }
  // Flows that began before the rules would go on past them. Their removal failing is no reason to fail the pod.
  if (config.mappings.some(({ protocol }) => protocol === 'udp')) {
    const { forgetUdpFlows } = await import('./stale-flows.ts');
    forgetUdpFlows(config.mappings, targets);
  }
}
