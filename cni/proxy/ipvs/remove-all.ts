import type { Clock } from '../../../shared/daemon/clock.ts';
import type { IpvsKernel } from './kernel.ts';

/** How often, and how far apart in milliseconds, it is tried to delete sets that rules were looking into just now. */
const TRIES = 20;
const TRY_INTERVAL = 100;

/** Something stays for connections that are open, and is to be removed later. */
export class OpenConnections extends Error {
  override readonly name: string = 'OpenConnections';

  constructor(left: number) {
    super(`${left} virtual servers and addresses stay until the connections have ended that go through them`);
  }
}

/**
 * Takes away what open connections do not need, once another mode serves.
 *
 * @returns as `removeAll`
 * @throws OpenConnections where something stays for them
 */
export async function removeUnused(kernel: IpvsKernel, clock: Pick<Clock, 'after'>): Promise<string[]> {
  const left = kernel.removeUnused();
  if (left > 0) throw new OpenConnections(left);
  return await removeAll(kernel, clock);
}

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
