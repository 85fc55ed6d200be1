/** How the proxy comes by its modes: one of a family and of settings at a time, made again when those change. */

import type { IptablesVariant } from '../../../shared/iptables/programs.ts';
import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';

/** kube-proxy counts them in mode iptables: what conntrack takes for invalid, and what comes to node ports on 127.0.0.1. */
export type CountedPackets = 'invalid' | 'loopback';

export interface ModeKit extends Disposable {
  /** Which of iptables' tables hold the mode's own chains: kube-proxy's are among them, taken over and not removed. */
  readonly iptables?: IptablesVariant;

  /**
   * Makes a mode that has programmed nothing yet. Disposing of it leaves the kernel as it is.
   *
   * @param onTrouble what failed while nobody waited for it: clearing away what is of no use any more
   */
  create(settings: ModeSettings, onTrouble: (error: unknown) => void): Mode & Disposable;

  /** How many packets rules of the mode have counted of a kind; absent where nothing is counted, `undefined` where it cannot be told. */
  readonly packets?: (what: CountedPackets) => number | undefined;

  /** Nothing of this mode is in the kernel: after a boot, or when it was removed. */
  isEmpty(family: Family): boolean;

  /**
   * Tells when somebody else changes what is programmed for a family, or may have. Only where that can be told.
   *
   * @param onError it cannot be told any more
   */
  watch?(family: Family, onForeign: () => void, onError: (error: unknown) => void): Promise<Disposable>;
}
