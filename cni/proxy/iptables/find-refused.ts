/** Finds out which ports it is that the kernel, or the program, does not take the rules of. */

import { IptablesError } from '../../../shared/iptables/programs.ts';
import type { ModeReport } from '../mode.ts';
import type { ServicePort, ServicePortName } from '../model/service-port.ts';
import type { Tables } from './kernel-tables.ts';
import type { PlanSettings } from './port-rules.ts';
import { endOfTrial, trialOf } from './trial.ts';

/** So many ports are not at fault, each for itself, but the kernel lacks something. */
const MOST_REFUSALS = 1000;

/**
 * Tries the rules of all ports, and of halves where they are refused, until those are left that are refused alone.
 *
 * @throws IptablesError where it is not for single ports
 */
export async function findRefused(
  tables: Tables,
  ports: readonly ServicePort[],
  settings: PlanSettings,
): Promise<ModeReport['refused']> {
  const refused = new Map<ServicePortName, string>();
  const attempt = async (some: readonly ServicePort[]): Promise<void> => {
    if (some.length === 0) return;
    const text = trialOf(some, settings);
    try {
      return await tables.restore(text);
    } catch (error) {
      if (!isForParts(error) || refused.size >= MOST_REFUSALS) throw error;
      const [only] = some;
      if (some.length === 1 && only) return void refused.set(only.name, withRule(error.message, text));
    }
    const middle = some.length >>> 1;
    await attempt(some.slice(0, middle));
    await attempt(some.slice(middle));
  };
  try {
    await attempt(ports);
  } finally {
    await tables.restore(endOfTrial());
  }
  return [...refused].map(([name, why]) => ({ name, why }));
}

/** Programs tell the number of the line that they stopped at; that of the end where it was the kernel that refused. */
function withRule(message: string, text: string): string {
  const line = /\bline:? (\d+)/.exec(message)?.[1];
  const rule = text.split('\n')[Number(line) - 1] ?? '';
  return rule.startsWith('-A ') ? `${message} (${rule})` : message;
}

/** Whether a part of what was refused may well be taken. */
export function isForParts(error: unknown): error is IptablesError {
  return error instanceof IptablesError && error.isForParts;
}
