import type { FileStat } from '../../../shared/sys/stat.ts';
import { stat } from '../../../shared/sys/stat.ts';

/** Metadata of a path, or undefined where there is nothing that can be reached. */
export function statOrUndefined(path: string): FileStat | undefined {
  try {
    return stat(path);
  } catch {
    return undefined;
  }
}
