import { pluginTypes } from '../../../cni/plugins/registry.ts';
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
import { mustSayNothingRemoved } from './cni-config.ts';
import { readKeys } from './plugin-readers.ts';

/**
 * A whole call of every type as far as no kernel is needed: environment, configuration with its capabilities and
 * prevResult, the type's own keys (plugin-readers.ts), and the answer.
 */

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
  readonly env: Readonly<Record<string, string>>;
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

/** What the matrix has no good case of: types that upstream has not, or that need a daemon, and some keys. */
const more: Readonly<Record<string, readonly Case[]>> = {
  dhcp: [
    {
      name: 'all keys',
      args: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0',
      config: {
        ipam: {
          type: 'dhcp',
          daemonSocketPath: '/run/cni/dhcp.sock',
          priority: 100,
          provide: [
            { option: 'host-name', fromArg: 'K8S_POD_NAME' },
            { option: '60', value: 'pods' },
          ],
          request: [{ option: 'routers' }, { skipDefault: true }],
        },
      },
    },
  ],
  portmap: [
    {
      name: 'words of iptables',
      config: {
        backend: 'iptables',
        externalSetMarkChain: 'KUBE-MARK-MASQ',
        conditionsV4: ['!', '-s', '192.0.2.0/24'],
        conditionsV6: ['-i', 'eth0'],
      },
    },
  ],
  underpod: [
    {
      name: 'all keys',
      config: {
        hairpinMode: true,
        forceAddress: true,
        isDefaultGateway: true,
        ipMasq: true,
        mtu: 1400,
        portmap: { backend: 'nftables', snat: true },
        bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000 },
      },
    },
  ],
};

function goodCases(type: string): readonly Case[] {
  const cases = allTypes.find((one) => one.type === type)?.cases ?? [];
  return [...cases.filter(({ name }) => !name.startsWith('error: ')), ...(more[type] ?? [])];
}

/** Good cases of each type, in each version. */
const documents: readonly (readonly Document[])[] = pluginTypes.map((type) => {
  const ofType = goodCases(type).flatMap((one) =>
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
  );
  if (ofType.length === 0) throw new Error(`the fuzzer has no good configuration of type ${type}`);
  return ofType;
});

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

/** One in eight has something changed in it: the target cni-env looks at little else. */
function environmentOf(args: string, random: Random): Readonly<Record<string, string>> {
  const command = random.pick(['ADD', 'ADD', 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS']);
  const env: Record<string, string> = { ...environment, CNI_COMMAND: command, CNI_ARGS: args };
  if (random.below(8) === 0)
    env['CNI_ARGS'] = mutateText(args || 'IgnoreUnknown=1;MAC=02:00:00:00:00:01', random);
  if (random.below(16) === 0) {
    const name = random.pick(Object.keys(environment));
    env[name] = mutateText(env[name] ?? '', random);
  }
  return env;
}

export const pluginCall: Target = target<Input>({
  name: 'plugin-call',
  generate: (random) => {
    const document = random.pick(random.pick(documents));
    const { type, args } = document;
    return { type, env: environmentOf(args, random), stdin: stdinOf(document, random) };
  },
  seeds: documents.flat().map(({ type, args, config, rest }) => ({
    type,
    env: { ...environment, CNI_COMMAND: 'ADD', CNI_ARGS: args },
    stdin: jsonBytes({ ...config, ...rest }),
  })),
  changed: ({ type, env, stdin }) =>
    `${type} ${Object.values({ ...env, CNI_COMMAND: '' }).join()} ${stdin.toHex()}`,
  judge,
  describe: ({ type, env, stdin }) => `${type} ${JSON.stringify(env)} ${describeBytes(stdin)}`,
});

async function judge({ type, env, stdin }: Input): Promise<Verdict> {
  const plugin = new KernellessPlugin(type, env['CNI_ARGS'] ?? '');
  const { stdout, stderr, exitCode } = await dispatch(plugin, {
    env,
    stdin: () => stdin,
    isOwnNetns: () => false,
  });
  if (exitCode === 0 && stderr !== '') {
    must(env['CNI_COMMAND'] === 'GC', 'nothing but a GC without its list says something beside');
    mustSayNothingRemoved(stdout, stderr);
    return 'refused';
  }
  if (exitCode === 0) {
    must(plugin.isPastParsing, 'success means that all keys were read');
    if (env['CNI_COMMAND'] === 'ADD') checkResult(stdout, JSON.parse(stdout).cniVersion);
    else must(stdout === '', `${env['CNI_COMMAND']} prints nothing`);
    return 'accepted';
  }
  must(exitCode === 1 && stderr === '', 'an error is exit code 1 with nothing on stderr');
  checkError(stdout);
  return plugin.isPastParsing ? 'accepted' : 'refused';
}
