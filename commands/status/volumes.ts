/** `underpod status volumes`: what the driver of local volumes says of each. */

import { writeSync } from 'node:fs';
import type { VolumesStatus } from '../../csi/local/status.ts';
import { connectionProblem } from '../../shared/net/connection-problem.ts';
import { formatVolumes } from './format-volumes.ts';

/** Every volume is looked at, and a disk may be slow. */
const TIMEOUT = 10_000;

/** Exit code 0 when nothing is wrong with any volume, 1 otherwise. */
export async function showVolumes(socket: string, json: boolean): Promise<number> {
  const fail = (text: string): number => {
    writeSync(2, `underpod status: ${text}\n`);
    return 1;
  };
  let response: Response;
  try {
    response = await fetch('http://localhost/v1/status', {
      unix: socket,
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch (error) {
    return fail(
      `the driver does not answer (${connectionProblem(error)}): is "underpod csi local" running on this node?`,
    );
  }
  if (!response.ok) return fail((await response.text()).trim() || `HTTP ${response.status}`);
  const status = (await response.json()) as VolumesStatus;
  writeSync(1, json ? `${JSON.stringify(status, undefined, 2)}\n` : formatVolumes(status));
  return status.volumes.some(({ problem }) => problem !== undefined) ? 1 : 0;
}
