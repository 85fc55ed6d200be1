import { writeAll } from '../../shared/sys/fd.ts';
import { isNetns } from '../../shared/sys/netns.ts';
import type { Variables } from '../protocol/environment.ts';
import { toCniError } from '../protocol/error-codes.ts';
import type { Attachment } from '../protocol/net-conf.ts';
import { encodeResult } from '../protocol/result-encode.ts';
import { requireVersion } from '../protocol/version.ts';
import { CniRuntime } from './cni-runtime.ts';
import type { Invocation } from './invocation.ts';
import { parseInvocation, usage } from './invocation.ts';
import { loadDefaultNetwork, loadNetwork } from './load.ts';
import type { NetworkConfig } from './network-config.ts';
import type { PluginRunner } from './plugin-runner.ts';

/** What the program works on besides its arguments; tests and the compiled executable pass their own. */
export interface MainOptions {
  readonly env?: Variables;
  readonly runner?: PluginRunner;
  readonly print?: (text: string) => void;
  readonly printError?: (text: string) => void;
}

/** `underpod cni`: returns 0, 1 when a plugin (or what is around it) failed, 2 for wrong usage. */
export async function main(args: string[], options: MainOptions = {}): Promise<number> {
  const print = options.print ?? ((text) => writeAll(1, new TextEncoder().encode(text)));
  const printError = options.printError ?? ((text) => writeAll(2, new TextEncoder().encode(text)));
  const invocation = parseInvocation(args, options.env ?? process.env);
  if (typeof invocation === 'string') {
    if (invocation === '') print(usage);
    else printError(`underpod cni: ${invocation}\nTry: underpod cni --help\n`);
    return invocation === '' ? 0 : 2;
  }
  const stop = new AbortController();
  const onSignal = (): void => stop.abort(new Error('interrupted'));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const runtime = new CniRuntime({
      path: invocation.path,
      cacheDir: invocation.cacheDir,
      onNotice: (text) => printError(`${text}\n`),
      ...(options.runner ? { runner: options.runner } : {}),
      ...(invocation.timeoutMs === undefined ? {} : { pluginTimeoutMs: invocation.timeoutMs }),
    });
    await run(runtime, invocation, print, stop.signal);
    return 0;
  } catch (thrown) {
    const error = toCniError(thrown);
    printError(`${error.message}${error.details ? `; ${error.details}` : ''} (code ${error.code})\n`);
    return 1;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function run(
  runtime: CniRuntime,
  invocation: Invocation,
  print: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { command, attachment } = invocation;
  const network = findNetwork(invocation);
  switch (command) {
    case 'add': {
      const result = await runtime.add(network, attachment, signal);
      const version = requireVersion(network.cniVersion, `network ${network.name}`);
      print(`${JSON.stringify(encodeResult(result, version), null, 4)}\n`);
      return;
    }
    case 'check':
      return await runtime.check(network, attachment, signal);
    case 'del':
      return await runtime.del(network, attachment, signal);
    case 'gc':
      return await runtime.gc(network, invocation.valid ?? livingAttachments(runtime, network), signal);
    case 'status':
      return await runtime.status(network, signal);
  }
}

function findNetwork({ confDir, network }: Invocation): NetworkConfig {
  return network === 'default' ? loadDefaultNetwork(confDir) : loadNetwork(confDir, network);
}

/** cnitool's GC removes every attachment of the network; those whose namespace exists are worth more care. */
function livingAttachments(runtime: CniRuntime, network: NetworkConfig): Attachment[] {
  return runtime
    .cachedAttachments()
    .filter(
      ({ networkName, netns }) => networkName === network.name && netns !== undefined && isNetns(netns),
    );
}
