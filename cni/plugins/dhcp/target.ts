import type { DhcpTarget } from '../../protocol/dhcp-daemon.ts';
import type { AddRequest, CheckRequest } from '../../protocol/plugin.ts';
import { readDhcpConfig } from './config.ts';

/** What the daemon is told of an attachment. */
export function targetOf({ conf, env }: AddRequest | CheckRequest): DhcpTarget {
  return {
    network: conf.name,
    containerId: env.containerId,
    ifname: env.ifname,
    // The daemon has a working directory of its own.
    netns: env.netns.startsWith('/') ? env.netns : `${process.cwd()}/${env.netns}`,
    ...readDhcpConfig(conf, env.args),
  };
}
