import type { Clock } from '../../../shared/daemon/clock.ts';
import type { IpvsKernel } from './kernel.ts';

/** How often, and how far apart in milliseconds, it is tried to delete sets that rules were looking into just now. */
const TRIES = 20;
const TRY_INTERVAL = 100;

/** Takes everything away but iptables' rules, which must have gone before. @returns names of sets that rules still look into */
export async function removeAll(kernel: IpvsKernel, clock: Pick<Clock, 'after'>): Promise<string[]> {
  let left = kernel.remove();
  // The kernel gives rules of nf_tables free a little after they have gone.
  for (let tries = 0; left.length > 0 && tries < TRIES; tries += 1) {
    await new Promise<void>((resolve) => clock.after(TRY_INTERVAL, resolve));
    left = kernel.remove();
  }
  return left;
}
