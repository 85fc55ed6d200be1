import type { AddRequest } from '../../protocol/plugin.ts';
import type { Result } from '../../protocol/result.ts';
import type { AttachingDelegate } from '../common/delegate.ts';
import { readStaticConfig } from './config.ts';

function addStatic({ conf, env }: AddRequest): Result {
  const { addresses, routes, dns } = readStaticConfig(conf, env.args);
  return { interfaces: [], ips: [...addresses], routes, dns };
}

/** ADD gives what is configured. Nothing is kept, so DEL has nothing to do. */
export const staticAttaching: AttachingDelegate = { add: addStatic, del() {} };

export const about = 'CNI plugin static (underpod): addresses as configured';
