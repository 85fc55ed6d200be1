import { resolve } from 'node:path';
import { parseArgs as parseFlags } from 'node:util';
import { parseArgs } from '../protocol/args.ts';
import type { Variables } from '../protocol/environment.ts';
import { parseJsonObject } from '../protocol/json.ts';
import type { Attachment } from '../protocol/net-conf.ts';
import { defaultConfDir } from './load.ts';
import type { AttachmentParameters } from './request.ts';
import { defaultCacheDir } from './result-cache.ts';

/** What --help prints. */
export const usage: string = `Usage: underpod cni COMMAND NETWORK [NETNS] [FLAGS]

Calls the plugins of a network configuration for one network namespace, as a container runtime does.

Commands:
  add NETWORK NETNS     attach the namespace; prints the result
  check NETWORK NETNS   check that an attachment is as it should be
  del NETWORK NETNS     take the attachment away
  gc NETWORK            remove what is left of attachments that are gone: all that are not named by --valid, or without
                        it all whose network namespace no longer exists
  status NETWORK        ask the plugins whether they could attach something now

NETWORK is the name in the configuration; "default" stands for the first file. NETNS is a path such as /run/netns/blue.

Flags (and the variables that stand for them):
  --conf-dir DIR        network configurations (NETCONFPATH; ${defaultConfDir})
  --path DIR[:DIR…]     plugins (CNI_PATH; /opt/cni/bin)
  --container-id ID     (cnitool-<hash of NETNS>, as cnitool)
  --ifname NAME         the interface in the namespace (CNI_IFNAME; eth0)
  --args K=V[;K=V…]     (CNI_ARGS)
  --capability-args J   values of capabilities, a JSON object (CAP_ARGS)
  --cache-dir DIR       results of ADD (${defaultCacheDir})
  --timeout SECONDS     the longest that one plugin may take (no limit)
  --valid ID/IFNAME     gc: keep this attachment; may be given several times
  --all                 gc: keep none
  --help
`;

/** One call of `underpod cni`, with flags and variables resolved. */
export interface Invocation {
  readonly command: 'add' | 'check' | 'del' | 'gc' | 'status';
  readonly network: string;
  readonly attachment: AttachmentParameters;
  /** gc: what to keep; undefined for the attachments whose namespace exists. */
  readonly valid: readonly Attachment[] | undefined;
  readonly confDir: string;
  readonly cacheDir: string;
  readonly path: readonly string[];
  readonly timeoutMs: number | undefined;
}

/** The invocation, '' for --help, or what is wrong with it. */
export function parseInvocation(args: string[], env: Variables): Invocation | string {
  try {
    const { values: flags, positionals } = parseFlags({
      args,
      allowPositionals: true,
      options: {
        'conf-dir': { type: 'string', default: env['NETCONFPATH'] || defaultConfDir },
        path: { type: 'string', default: env['CNI_PATH'] || '/opt/cni/bin' },
        'container-id': { type: 'string' },
        ifname: { type: 'string', default: env['CNI_IFNAME'] || 'eth0' },
        args: { type: 'string', default: env['CNI_ARGS'] ?? '' },
        'capability-args': { type: 'string', default: env['CAP_ARGS'] ?? '' },
        'cache-dir': { type: 'string', default: defaultCacheDir },
        timeout: { type: 'string' },
        valid: { type: 'string', multiple: true },
        all: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (flags.help) return '';
    const [command = '', network = '', netns = ''] = positionals;
    if (!isCommand(command)) {
      return `the command must be add, check, del, gc or status${command && `, got ${JSON.stringify(command)}`}`;
    }
    if (network === '') return `${command} needs the name of a network`;
    const perNetwork = command === 'gc' || command === 'status';
    if (netns === '' && !perNetwork) return `${command} needs the path of a network namespace`;
    const path = netns === '' ? '' : resolve(netns);
    const timeout = flags.timeout === undefined ? undefined : Number(flags.timeout);
    if (timeout !== undefined && !(timeout > 0)) return '--timeout must be a number of seconds above 0';
    const capabilityArgs = flags['capability-args'];
    return {
      command,
      network,
      attachment: {
        containerId: flags['container-id'] ?? cnitoolContainerId(path),
        netns: path,
        ifname: flags.ifname,
        args: parseArgs(flags.args).pairs,
        capabilityArgs:
          capabilityArgs === '' ? {} : parseJsonObject(new TextEncoder().encode(capabilityArgs), 'CAP_ARGS'),
      },
      valid: flags.all ? [] : flags.valid?.map(parseValid),
      confDir: flags['conf-dir'],
      cacheDir: flags['cache-dir'],
      path: flags.path.split(':').filter((directory) => directory !== ''),
      timeoutMs: timeout === undefined ? undefined : timeout * 1000,
    };
  } catch (error) {
    // parseArgs of node:util and of the protocol throw messages that are meant for people.
    return error instanceof Error ? error.message : String(error);
  }
}

function isCommand(text: string): text is Invocation['command'] {
  return ['add', 'check', 'del', 'gc', 'status'].includes(text);
}

function parseValid(text: string): Attachment {
  const slash = text.indexOf('/');
  if (slash <= 0) throw new Error(`--valid ${JSON.stringify(text)} must be CONTAINER-ID/IFNAME`);
  return { containerId: text.slice(0, slash), ifname: text.slice(slash + 1) };
}

/** The id that upstream's cnitool gives: the first 10 bytes of the path's SHA-512, in hexadecimal. */
function cnitoolContainerId(netns: string): string {
  return `cnitool-${new Bun.CryptoHasher('sha512').update(netns).digest('hex').slice(0, 20)}`;
}
