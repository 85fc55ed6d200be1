import type { Call } from '../../../cni/protocol/dispatch.ts';
import { dispatch } from '../../../cni/protocol/dispatch.ts';
import { checkError, checkResult } from '../cni-spec.ts';
import { EchoPlugin } from '../echo-plugin.ts';
import { describeBytes, jsonBytes, jsonInput } from '../json-input.ts';
import { configs, environments } from '../seeds.ts';
import type { Verdict } from '../target.ts';
import { must, type Target, target } from '../target.ts';

/** A whole call with a mutated configuration on stdin. */
export const cniConfig: Target = target<{ command: string; stdin: Uint8Array }>({
  name: 'cni-config',
  generate: (random) => ({
    command: random.pick(['ADD', 'ADD', 'DEL', 'DEL', 'CHECK', 'GC', 'STATUS']),
    stdin: jsonInput(configs, random),
  }),
  seeds: configs.map((config) => ({ command: 'ADD', stdin: jsonBytes(config) })),
  changed: ({ stdin }) => stdin.toHex(),
  judge: ({ command, stdin }) =>
    judgeCall({
      env: { ...environments[0], CNI_COMMAND: command },
      stdin: () => stdin,
      isOwnNetns: () => false,
    }),
  describe: ({ command, stdin }) => `${command} ${describeBytes(stdin)}`,
});

/** What a GC without the list of what is in use answers. */
export function mustSayNothingRemoved(stdout: string, stderr: string): void {
  must(stdout === '', 'GC prints nothing');
  must(/^GC of network \S+: .* nothing was removed.*\n$/.test(stderr), 'a GC without its list says so');
}

/** Runs a call and holds the answer against the specification. */
export async function judgeCall(call: Call): Promise<Verdict> {
  const plugin = new EchoPlugin();
  const { stdout, stderr, exitCode } = await dispatch(plugin, call);
  const command = call.env['CNI_COMMAND'] ?? '';
  if (exitCode !== 0) {
    must(exitCode === 1 && stderr === '', 'an error is exit code 1 with nothing on stderr');
    // A violated claim of the plugin's own checks arrives here too, as an internal error.
    checkError(stdout);
    return plugin.called ? 'accepted' : 'refused';
  }
  if (command === '') {
    must(stdout === '' && stderr !== '', 'without CNI_COMMAND there is a text on stderr');
  } else if (command === 'GC' && stderr !== '') {
    mustSayNothingRemoved(stdout, stderr);
    return 'refused';
  } else if (command === 'VERSION') {
    must(JSON.parse(stdout).supportedVersions.length === 7, 'VERSION lists the versions');
  } else {
    must(plugin.called, 'success means that the plugin was called');
    if (command === 'ADD') checkResult(stdout, JSON.parse(stdout).cniVersion);
    else must(stdout === '', `${command} prints nothing`);
  }
  return 'accepted';
}
