/** After a boot the kernel has nothing: what this node's services were is better than that. */

import type { Logger } from '../../shared/log/logger.ts';
import type { FamilyProgrammer } from './family-programmer.ts';
import { familyLabel } from './metrics.ts';
import type { Family } from './model/endpoint.ts';
import type { ModeKit } from './modes/kit.ts';
import type { NodeSettings } from './settings.ts';
import { afterBoot, type CachedServices } from './state/node-cache.ts';

export interface AfterBootParts {
  readonly kit: ModeKit;
  readonly log: Logger;
  readonly settings: NodeSettings;
  readonly families: ReadonlyMap<Family, FamilyProgrammer>;
  /** What is on the disk; `undefined`: nothing that may be programmed. */
  readonly read: () => CachedServices | undefined;
}

/** Programs this node's cache where the kernel has nothing. @returns whether it has something now */
export async function programCache(parts: AfterBootParts): Promise<boolean> {
  const { kit, log, settings, families, read } = parts;
  if (![...families.keys()].some((family) => isEmpty(kit, family))) return false;
  const cached = read();
  if (!cached) return false;
  let isProgrammed = false;
  for (const [of, ports] of afterBoot(cached)) {
    const family = familyLabel(of);
    try {
      const programmer = families.get(of);
      if (!programmer || ports.size === 0 || !isEmpty(kit, of)) continue;
      programmer.configure(settings.of(of, cached));
      await programmer.restore(ports);
      isProgrammed = true;
      log.info("this node's cache is programmed until the source tells", { family, ports: ports.size });
    } catch (error) {
      log.warn("this node's cache cannot be programmed", { family, error });
    }
  }
  return isProgrammed;
}

/** A kernel that cannot be asked is not written to either. */
function isEmpty(kit: ModeKit, family: Family): boolean {
  try {
    return kit.isEmpty(family);
  } catch {
    return false;
  }
}
