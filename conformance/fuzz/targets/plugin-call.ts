import { pluginTypes } from '../../../cni/plugins/registry.ts';
import type { CniArgs } from '../../../cni/protocol/args.ts';
import { parseArgs } from '../../../cni/protocol/args.ts';
import { dispatch } from '../../../cni/protocol/dispatch.ts';
import type { NetConf } from '../../../cni/protocol/net-conf.ts';
import type { Plugin } from '../../../cni/protocol/plugin.ts';
import { emptyResult, type Result } from '../../../cni/protocol/result.ts';
import type { Json } from '../../cni/fresh-node.ts';
import { type Case, versions } from '../../matrix/case.ts';
import { allTypes } from '../../matrix/cases.ts';
import type { Random } from '../../testing/random.ts';
import { checkError, checkResult } from '../cni-spec.ts';
import { describeBytes, jsonBytes, jsonInput } from '../json-input.ts';
import { mutateJson } from '../mutate-json.ts';
import { mutateText } from '../mutate-text.ts';
import { must, type Target, target, type Verdict } from '../target.ts';

/**
 * A whole call of every type as far as no kernel is needed: environment, configuration with its capabilities and
 * prevResult, the type's own keys, and the answer. The types are found, not listed: each one's `config.ts` exports
 * functions `read…Config` (or `readLimits`), or a device type with `read`, called with the configuration and CNI_ARGS.
 */

type Reader = (conf: NetConf, args: CniArgs) => unknown;

/** What the types' code makes of keys and prevResult together. */
const further: Readonly<Record<string, (read: unknown, previous: Result, module: Module) => unknown>> = {
  firewall: (read, previous, { wantedOf }) => wantedOf?.(read as never, previous as never),
  tuning: (read, _previous, { sysctlOf }) => {
    for (const sysctl of (read as { sysctls: unknown[] }).sysctls) {
      const path = String(sysctlOf?.(sysctl as never, 'eth0.5' as never));
      must(/^net\/[^\0]+$/.test(path) && !/(^|\/)\.{0,2}(\/|$)/.test(path), 'a parameter is of the network');
    }
  },
};

type Module = Readonly<Record<string, (((...values: never[]) => unknown) & { read?: Reader }) | undefined>>;

const modules: ReadonlyMap<string, Module> = new Map(
  await Promise.all(
    pluginTypes.map(async (type): Promise<[string, Module]> => {
      const path = `${import.meta.dirname}/../../../cni/plugins/${type}/config.ts`;
      return [type, (await Bun.file(path).exists()) ? ((await import(path)) as Module) : {}];
    }),
  ),
);

/** flannel and underpod need subnet.env for the rest of theirs: see the target plugin-config. */
function readKeys(type: string, conf: NetConf, args: CniArgs): void {
  const module = modules.get(type) ?? {};
  for (const [name, exported] of Object.entries(module)) {
    const read = /^read(\w*Config|Limits)$/.test(name) ? (exported as Reader) : exported?.read;
    if (!read) continue;
    const value = read(conf, args);
    if (conf.prevResult) further[type]?.(value, conf.prevResult, module);
  }
}

/** Does what every type does with a call before it asks the kernel. */
class KernellessPlugin implements Plugin {
  readonly about = 'a plugin without a kernel';
  readonly type: string;
  readonly #args: string;
  /** All keys were read. */
  isPastParsing = false;

  constructor(type: string, args: string) {
    this.type = type;
    this.#args = args;
  }

  #read(conf: NetConf): void {
    readKeys(this.type, conf, parseArgs(this.#args));
    this.isPastParsing = true;
  }

  add({ conf }: { conf: NetConf }): Result {
    this.#read(conf);
    return conf.prevResult ?? emptyResult;
  }

  del({ conf }: { conf: NetConf }): void {
    this.#read(conf);
  }

  check({ conf }: { conf: NetConf }): void {
    this.#read(conf);
  }

  gc({ conf }: { conf: NetConf }): void {
    this.#read(conf);
  }

  status({ conf }: { conf: NetConf }): void {
    this.#read(conf);
  }
}

const interfaces = [
  { name: 'br0', mac: '02:42:00:00:00:01' },
  { name: 'veth12345678', mac: '02:42:00:00:00:02' },
  { name: 'eth0', mac: '02:42:00:00:00:03', sandbox: '/run/netns/pod' },
];

/** A bridge's result in a version. */
function previous(version: string): object {
  const family = (number: string): object => (version < '1.0.0' ? { version: number } : {});
  return {
    cniVersion: version,
    interfaces,
    ips: [
      { ...family('4'), address: '10.80.0.2/24', gateway: '10.80.0.1', interface: 2 },
      { ...family('6'), address: 'fd00:80::2/64', gateway: 'fd00:80::1', interface: 2 },
    ],
    routes: [{ dst: '0.0.0.0/0', gw: '10.80.0.1' }, { dst: '::/0' }],
    dns: { nameservers: ['10.80.0.1'], search: ['a.b'] },
  };
}

/** What runtimes offer; a type takes what it knows of it, and looks at its form. */
const runtimeConfig = {
  mac: '02:42:00:00:00:07',
  portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '10.9.0.1' }],
  bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 },
};

interface Input {
  readonly type: string;
  readonly command: string;
  readonly args: string;
  readonly stdin: Uint8Array;
}

interface Document {
  readonly type: string;
  readonly args: string;
  /** The type's own keys. */
  readonly config: Json;
  /** Everything else. */
  readonly rest: Json;
}

/** Good cases of each type, in each version. */
const documents: readonly (readonly Document[])[] = allTypes
  .filter(({ type }) => pluginTypes.includes(type))
  .map(({ type, cases }) =>
    cases
      .filter(({ name }) => !name.startsWith('error: '))
      .flatMap((one: Case) =>
        versions.map((version) => ({
          type,
          args: one.args ?? '',
          config: one.config,
          rest: {
            cniVersion: version,
            name: 'net',
            type,
            runtimeConfig: { ...runtimeConfig, ...(one.config['runtimeConfig'] as Json | undefined) },
            'cni.dev/valid-attachments': [{ containerID: 'pod', ifname: 'eth0' }],
            prevResult: previous(version),
          },
        })),
      ),
  )
  .filter((ofType) => ofType.length > 0);

/** Half of the inputs have changes in the type's own keys only: they are few beside all that surrounds them. */
function stdinOf({ config, rest }: Document, random: Random): Uint8Array {
  if (random.below(2) === 0) return jsonInput([{ ...config, ...rest }], random);
  let changed: unknown = config;
  for (let count = random.pick([1, 1, 2]); count > 0; count--) changed = mutateJson(changed, random);
  return jsonBytes({ ...rest, ...(changed as Json) });
}

const environment = {
  CNI_CONTAINERID: 'pod',
  CNI_NETNS: '/run/netns/pod',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
};

export const pluginCall: Target = target<Input>({
  name: 'plugin-call',
  generate: (random) => {
    const document = random.pick(random.pick(documents));
    const { type, args } = document;
    return {
      type,
      command: random.pick(['ADD', 'ADD', 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS']),
      args:
        random.below(8) === 0 ? mutateText(args || 'IgnoreUnknown=1;MAC=02:00:00:00:00:01', random) : args,
      stdin: stdinOf(document, random),
    };
  },
  seeds: documents.flat().map(({ type, args, config, rest }) => ({
    type,
    command: 'ADD',
    args,
    stdin: jsonBytes({ ...config, ...rest }),
  })),
  changed: ({ type, args, stdin }) => `${type} ${args} ${stdin.toHex()}`,
  judge,
  describe: ({ type, command, args, stdin }) => `${command} ${type} CNI_ARGS=${args} ${describeBytes(stdin)}`,
});

async function judge({ type, command, args, stdin }: Input): Promise<Verdict> {
  const plugin = new KernellessPlugin(type, args);
  const { stdout, stderr, exitCode } = await dispatch(plugin, {
    env: { ...environment, CNI_COMMAND: command, CNI_ARGS: args },
    stdin: () => stdin,
    isOwnNetns: () => false,
  });
  if (exitCode === 0) {
    must(plugin.isPastParsing, 'success means that all keys were read');
    if (command === 'ADD') checkResult(stdout, JSON.parse(stdout).cniVersion);
    else must(stdout === '', `${command} prints nothing`);
    return 'accepted';
  }
  must(exitCode === 1 && stderr === '', 'an error is exit code 1 with nothing on stderr');
  checkError(stdout);
  return plugin.isPastParsing ? 'accepted' : 'refused';
}
