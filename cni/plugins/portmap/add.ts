import type { Cidr } from '../../../shared/ip/cidr.ts';
import type { RuleRef } from '../../../shared/nftables/model/rule.ts';
import { invalidConfig, invalidEnvironment } from '../../protocol/error.ts';
import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { AddOptions } from '../common/delegate.ts';
import type { RuleAddition } from '../common/rule-changes.ts';
import type { PortmapConfig } from './config.ts';
import { readPortmapConfig } from './config.ts';
import { targetsOf } from './target.ts';

/** ADD: hands prevResult on. Without mappings nothing else is even loaded. */
export async function addPortmap(request: AddRequest, { collect }: AddOptions = {}): Promise<Result> {
  const { conf, env } = request;
  const config = readPortmapConfig(conf);
  const { prevResult } = conf;
  if (!prevResult) {
    throw invalidConfig('ADD needs "prevResult": portmap comes after a plugin that makes the interface');
  }
  if (config.mappings.length === 0) return prevResult;
  const targets = targetsOf(prevResult, env.ifname);
  if (targets.length > 0) await forward(request, config, targets, collect);
  return prevResult;
}

/** All or nothing: the rules are one transaction, and what comes after them is undone with them when it fails. */
async function forward(
  { conf, env }: AddRequest,
  config: PortmapConfig,
  targets: readonly Cidr[],
  collect: RuleAddition[] | undefined,
): Promise<void> {
  const { containerId, ifname } = env;
  if (config.backend === 'nftables') refuseLongId(containerId);
  const { recordPorts, recordRules } = await import('./record.ts');
  const afterwards = (): Promise<void> => finish(config, targets);
  const isNew = recordPorts(conf.name, containerId, ifname);
  const made = (own: readonly RuleRef[]): void => {
    if (isNew) recordRules(conf.name, containerId, ifname, own);
  };
  try {
    if (config.backend === 'nftables') {
      const { addNftPorts } = await import('./nft-backend.ts');
      await addNftPorts(config, containerId, targets, { afterwards, made, collect });
    } else {
      const { addIptablesPorts } = await import('./iptables-backend.ts');
      await addIptablesPorts(config, conf.name, containerId, targets);
      await afterwards();
    }
  } catch (error) {
    const { portsRemoval } = await import('./del-ports.ts');
    const { removeRulesAlone } = await import('../common/remove-rules-alone.ts');
    await removeRulesAlone([portsRemoval(conf.name, containerId)]);
    throw error;
  }
}

/** NFT_COMMENT_MAX of the nft command, which prints no ruleset with a longer one: bytes. */
const maxCommentBytes = 128;

/** The rules carry the id as a whole, by which DEL, ours or upstream's, knows them. */
function refuseLongId(containerId: string): void {
  const { length } = new TextEncoder().encode(containerId);
  if (length <= maxCommentBytes) return;
  throw invalidEnvironment(
    `CNI_CONTAINERID has ${length} bytes, and rules of nftables can be marked with ${maxCommentBytes} at most`,
    { details: 'use shorter ids, or set "backend": "iptables" for portmap' },
  );
}

/** Once the rules are there. */
async function finish(config: PortmapConfig, targets: readonly Cidr[]): Promise<void> {
  for (const { ip } of targets) {
    if (ip.family === 4 && config.snat) (await import('./localnet.ts')).enableLocalnet(ip);
  }
  for (const { protocol } of config.mappings) {
    if (protocol !== 'udp') continue;
    // Flows that began before the rules would go on past them. Their removal failing is no reason to fail the pod.
    const { forgetUdpFlows } = await import('./stale-flows.ts');
    forgetUdpFlows(config.mappings, targets);
    return;
  }
}
