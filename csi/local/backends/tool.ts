/** Programs that know a file system's inside: mkfs, fsck, what makes one larger. */

import { findProgram, type Output, runProgram } from '../../../shared/sys/run-program.ts';

/** Where they are, whatever the environment says. */
const PLACES = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];

/** A program is missing, or failed. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  /** undefined where there is no such program. */
  readonly exitCode: number | undefined;
  /** The end of what it printed. */
  readonly said: string;

  constructor(message: string, exitCode?: number, said: string = '') {
    super(said === '' ? message : `${message}: ${said}`);
    this.exitCode = exitCode;
    this.said = said;
  }
}

/** The path of a program; undefined where the machine has none of that name. */
export function findTool(name: string): string | undefined {
  return findProgram(name, [...(process.env['PATH'] ?? '').split(':').filter(Boolean), ...PLACES]);
}

/**
 * Runs one to its end, and kills it when the signal comes.
 *
 * @param good exit codes that are no failure
 * @throws ToolError with the end of what it printed
 */
export async function runTool(
  name: string,
  args: readonly string[],
  signal: AbortSignal,
  good: readonly number[] = [0],
): Promise<Output> {
  const file = findTool(name);
  if (file === undefined) throw new ToolError(`there is no program ${name} on this node`);
  const output = await runProgram({
    what: name,
    file,
    args,
    variables: { LC_ALL: 'C' },
    stdin: new Uint8Array(),
    signal,
  });
  if (good.includes(output.exitCode)) return output;
  const said = `${output.stdout}\n${output.stderr}`.trim().split('\n').slice(-4).join('; ');
  throw new ToolError(`${name} ${args.join(' ')}: exit code ${output.exitCode}`, output.exitCode, said);
}
