import { formatIp } from '../../../shared/ip/ip.ts';
import type { CheckRequest } from '../../protocol/plugin.ts';
import { checkFailed } from '../common/check-failed.ts';
import { readHostLocalConfig } from './config.ts';
import { rangeFor } from './ranges.ts';
import { matchOwner } from './record.ts';
import { AddressStore } from './store.ts';

/** CHECK: every address of prevResult that is out of our ranges is still given to this attachment; at least one is. */
export function checkHostLocal(request: CheckRequest): void {
  const { conf, env } = request;
  const { directory, rangeSets } = readHostLocalConfig(conf, env.args);
  const store = new AddressStore(directory);
  const owned = store.exists
    ? store
        .reservations()
        .filter(({ owner }) => matchOwner(owner, env))
        .map(({ ip }) => formatIp(ip))
    : [];
  const { containerId, ifname } = env;
  if (owned.length === 0) {
    throw checkFailed(`no address is reserved for ${ifname} of container ${containerId} in ${directory}`);
  }
  for (const { address } of conf.prevResult?.ips ?? []) {
    const text = formatIp(address.ip);
    if (owned.includes(text) || !rangeSets.some((set) => rangeFor(set, address.ip))) continue;
    throw checkFailed(
      `${text} is no longer reserved for ${ifname} of container ${containerId} in ${directory}`,
    );
  }
}
