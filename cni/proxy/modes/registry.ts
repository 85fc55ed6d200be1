/** The modes by name; what belongs to the others is not loaded. */

import type { Clock } from '../../../shared/daemon/clock.ts';
import type { Logger } from '../../../shared/log/logger.ts';
import type { ModeName } from '../config/configuration.ts';
import { ipvsChoicesOf, type ProxyOptions } from '../config/options.ts';
import { OpenConnections } from '../ipvs/remove-all.ts';
import type { ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';
import type { Programmed, ProgrammedModes } from '../state/programmed-modes.ts';
import type { ModeKit } from './kit.ts';

/** What modes need of the proxy's settings. */
export type KitOptions = Pick<ProxyOptions, 'configuration' | 'procSys'>;

/** @throws SyscallError where the kernel lacks what it takes; Error where programs are missing */
export async function openKit(mode: ModeName, options: KitOptions, clock: Clock): Promise<ModeKit> {
  switch (mode) {
    case 'nftables':
      return new (await import('./nftables.ts')).NftablesKit(clock);
    case 'iptables':
      return await (await import('./iptables.ts')).IptablesKit.open({
        clock,
        procSys: options.procSys,
        localhostNodePorts: options.configuration.iptables.localhostNodePorts,
      });
    case 'ipvs':
      return await (await import('./ipvs.ts')).IpvsKit.open(clock, ipvsChoicesOf(options.configuration));
    default:
      return mode satisfies never;
  }
}

/**
 * Removes from the kernel what the state file names, and from the file what is gone.
 *
 * @param which all that is not in use
 * @param isReplaced another mode serves by now
 * @returns how many could not be removed
 */
export async function removeProgrammed(
  programmed: ProgrammedModes,
  which: (one: Programmed) => boolean,
  isReplaced: boolean,
  options: KitOptions,
  clock: Clock,
  log: Logger,
): Promise<number> {
  let failed = 0;
  for (const { mode, family } of programmed.all.filter(which)) {
    try {
      using kit = await openKit(mode, options, clock);
      using made = kit.create(nothing(family), () => {});
      await made.cleanUp(isReplaced);
      programmed.remove(mode, family);
      log.info('removed', { mode, family: `IPv${family}` });
    } catch (error) {
      failed += 1;
      if (error instanceof OpenConnections) log.info(error.message, { mode, family: `IPv${family}` });
      else log.error('cannot be removed', { mode, family: `IPv${family}`, error });
    }
  }
  return failed;
}

/** To take something away no more need be known than whose it is. */
function nothing(family: Family): ModeSettings {
  return {
    family,
    masqueradeBit: 14,
    masqueradeAll: false,
    localDetector: { by: 'nothing' },
    nodePortAddresses: [],
    serviceCidrs: [],
  };
}
