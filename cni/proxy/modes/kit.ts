/** How the proxy comes by its modes: one of a family and of settings at a time, made again when those change. */

import type { Mode, ModeSettings } from '../mode.ts';
import type { Family } from '../model/endpoint.ts';

export interface ModeKit {
  /** Makes a mode that has programmed nothing yet. Disposing of it leaves the kernel as it is. */
  create(settings: ModeSettings): Mode & Disposable;

  /** Nothing of this mode is in the kernel: after a boot, or when it was removed. */
  isEmpty(family: Family): boolean;

  /**
   * Tells of a change that somebody else made to what is programmed, from when the loop begins to program.
   *
   * @param onForeign told the families that may differ now
   */
  watch?(onForeign: (families: readonly Family[]) => void): Disposable;
}
