import { formatIp, ipEquals } from '../../../shared/ip/ip.ts';
import { parseArgs } from '../../protocol/args.ts';
import { invalidConfig } from '../../protocol/error.ts';
import type { CheckRequest, StatusRequest } from '../../protocol/plugin.ts';
import { checkFailed } from '../common/check-failed.ts';
import { readStaticConfig } from './config.ts';

/** CHECK: every configured address is in prevResult, with its gateway. */
export function checkStatic({ conf, env }: CheckRequest): void {
  const { prevResult } = conf;
  if (!prevResult) throw invalidConfig('CHECK needs "prevResult": pass the result of ADD');
  for (const { address, gateway } of readStaticConfig(conf, env.args).addresses) {
    const found = prevResult.ips.find((one) => ipEquals(one.address.ip, address.ip));
    if (!found) throw checkFailed(`prevResult does not have the address ${formatIp(address.ip)}`);
    if (gateway && !(found.gateway && ipEquals(found.gateway, gateway))) {
      throw checkFailed(
        `prevResult has another gateway for ${formatIp(address.ip)} than ${formatIp(gateway)}`,
      );
    }
  }
}

/** STATUS: the configuration makes sense. */
export function statusStatic({ conf }: StatusRequest): void {
  readStaticConfig(conf, parseArgs(''));
}
