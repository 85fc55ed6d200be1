import type { StatusRequest } from '../../protocol/plugin.ts';
import { ipamOf } from '../common/ipam.ts';
import { readPtpConfig } from './config.ts';

/** STATUS: the configuration makes sense and IPAM is ready. */
export async function statusPtp(request: StatusRequest): Promise<void> {
  const { ipamType } = readPtpConfig(request.conf);
  await (await ipamOf(ipamType)).status(request);
}
