import type { Answer } from '../protocol/dispatch.ts';
import { type CniError, ioFailure } from '../protocol/error.ts';

/** One call of a plugin. */
export interface PluginCall {
  readonly type: string;
  /** The CNI_* variables. */
  readonly variables: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  /** Directories to look for the plugin in. */
  readonly path: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs plugins: as processes (exec-runner.ts), or in this process where the type is our own (in-process-runner.ts).
 * An answer with an exit code other than 0 is an answer; `run` throws only when there is none: code 5 when the plugin
 * is not to be found or started, the signal's reason as cause when it was cancelled.
 */
export interface PluginRunner {
  run(call: PluginCall): Promise<Answer>;
}

/** Code 5: a plugin that is not there. */
export function pluginNotFound(type: string, path: readonly string[]): CniError {
  const where = path.length === 0 ? 'no directory: CNI_PATH is empty' : path.join(':');
  return ioFailure(`plugin ${JSON.stringify(type)} not found in ${where}`, {
    details: 'install the plugin, or add its directory to CNI_PATH',
  });
}
