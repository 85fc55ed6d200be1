import type { Answer } from '../protocol/dispatch.ts';
import { dispatch } from '../protocol/dispatch.ts';
import type { Awaitable, Plugin } from '../protocol/plugin.ts';
import type { PluginCall, PluginRunner } from './plugin-runner.ts';

/** What an InProcessRunner is made of. */
export interface InProcessOptions {
  /** The plugin of a type, or undefined when it is not one of ours. May import it lazily. */
  readonly plugin: (type: string) => Awaitable<Plugin | undefined>;
  /** As in dispatch.ts: the question whether a path is our own network namespace. */
  readonly isOwnNetns: (path: string) => boolean;
  /** Runs all other types. */
  readonly fallback: PluginRunner;
}

/** Runs our own plugin types in this process, which saves starting one, and leaves the others to another runner. */
export class InProcessRunner implements PluginRunner {
  readonly #options: InProcessOptions;

  constructor(options: InProcessOptions) {
    this.#options = options;
  }

  async run(call: PluginCall): Promise<Answer> {
    const plugin = await this.#options.plugin(call.type);
    if (plugin === undefined) return await this.#options.fallback.run(call);
    const { isOwnNetns } = this.#options;
    const env = { ...process.env, ...call.variables };
    return await dispatch(plugin, { env, stdin: () => call.stdin, isOwnNetns, signal: call.signal });
  }
}
