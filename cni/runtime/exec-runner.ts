import { findProgram, ProgramError, runProgram } from '../../shared/sys/run-program.ts';
import type { Answer } from '../protocol/dispatch.ts';
import { toCniError } from '../protocol/error-codes.ts';
import type { PluginCall, PluginRunner } from './plugin-runner.ts';
import { pluginNotFound } from './plugin-runner.ts';

/** Runs plugins as processes. */
export class ExecRunner implements PluginRunner {
  async run({ type, variables, stdin, path, signal }: PluginCall): Promise<Answer> {
    const file = findProgram(type, path);
    if (file === undefined) throw pluginNotFound(type, path);
    const what = `plugin ${type} (${variables['CNI_COMMAND']})`;
    try {
      return await runProgram({ what, file, variables, stdin, signal });
    } catch (error) {
      throw error instanceof ProgramError ? toCniError(error) : error;
    }
  }
}
