/**
 * A node to test plugins on: the test process's own network and mount namespace, with /run, /var/lib and /etc/cni of
 * its own. Plugins run in this process, from environment and stdin to the text on stdout; foreign ones are executed.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { coverWithTmpfs, freshNetns, ipJson, nftJson, run } from '../../../conformance/testing/netns.ts';
import { createNetns, deleteNetns } from '../../../shared/sys/netns.ts';
import { dispatch } from '../../protocol/dispatch.ts';
import { lockDirectory } from '../common/attachment-lock.ts';
import { loadPlugin } from '../registry.ts';

export type Json = Record<string, unknown>;

/** How a call ended: exit code, and what was on stdout as text and as JSON. */
export interface CallResult {
  readonly code: number;
  readonly stdout: string;
  readonly json: Json;
}

/** A container's id, interface and namespace. */
export interface Container {
  readonly id: string;
  readonly ifname: string;
  readonly netns: string;
}

/** Environment beside what container and command say. */
export type Extra = Readonly<Record<string, string>>;

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** Where the Go plugins are, or undefined with the reason printed. */
export function goPlugins(): string | undefined {
  const directory =
    process.env['UNDERPOD_GO_CNI_BIN'] ?? resolve(import.meta.dirname, '../../../build/go-cni-bin');
  if (existsSync(join(directory, 'bridge'))) return directory;
  process.stderr.write(`skipped: tests with the Go plugins: none in ${directory} (UNDERPOD_GO_CNI_BIN)\n`);
  return undefined;
}

export class TestNode {
  #count = 0;

  /** Moves the test process to a fresh node; undefined, with the reason printed, where that is not allowed. */
  static enter(): TestNode | undefined {
    return freshNetns() ? new TestNode() : undefined;
  }

  private constructor() {
    for (const directory of ['/run', '/var/lib']) coverWithTmpfs(directory);
    for (const directory of ['/run/netns', '/run/flannel', '/var/lib/cni']) mkdirSync(directory);
  }

  /** A new container with a network namespace of its own. */
  container(ifname: string = 'eth0'): Container {
    this.#count += 1;
    const id = `container-${this.#count}-${'0123456789abcdef'.repeat(3)}`;
    const netns = `/run/netns/${id}`;
    createNetns(netns);
    return { id, ifname, netns };
  }

  /** Removes whatever a test, perhaps a failed one, left: links, rules, files. */
  reset(): void {
    for (const { ifname } of ipJson<{ ifname: string }[]>('link', 'show')) {
      if (ifname !== 'lo') spawnSync('ip', ['link', 'delete', ifname]);
    }
    run('nft', 'flush', 'ruleset');
    for (const path of ['/run/underpod', '/var/lib/cni']) rmSync(path, { recursive: true, force: true });
  }

  /** Ends the container's namespace. */
  removeNetns(container: Container): void {
    deleteNetns(container.netns);
  }

  /** Calls a plugin of ours as a runtime does. */
  async call(command: Command, conf: Json, container?: Container, extra: Extra = {}): Promise<CallResult> {
    const plugin = loadPlugin(String(conf['type']));
    if (!plugin) throw new Error(`no plugin ${String(conf['type'])}`);
    const answer = await dispatch(plugin, {
      env: environment(command, container, extra),
      stdin: () => new TextEncoder().encode(JSON.stringify(conf)),
    });
    return result(answer.exitCode, answer.stdout);
  }

  /** As `call`, and fails the test when the call does. */
  async ok(command: Command, conf: Json, container?: Container, extra: Extra = {}): Promise<Json> {
    const answer = await this.call(command, conf, container, extra);
    if (answer.code !== 0) throw new Error(`${command} ${String(conf['type'])}: ${answer.stdout}`);
    return answer.json;
  }

  /** Calls an executable plugin of a directory. */
  exec(
    directory: string,
    command: Command,
    conf: Json,
    container?: Container,
    extra: Extra = {},
  ): CallResult {
    const type = String(conf['type']);
    const child = spawnSync(join(directory, type), {
      env: {
        PATH: process.env['PATH'],
        ...environment(command, container, { CNI_PATH: directory, ...extra }),
      },
      input: JSON.stringify(conf),
      encoding: 'utf8',
    });
    return result(child.status ?? -1, child.stdout);
  }

  /** Calls a plugin with its result kept as prevResult, as libcni's cache does for DEL and CHECK. */
  withPrevious(conf: Json, previous: Json): Json {
    return { ...conf, prevResult: previous };
  }

  /** Runs `ip -j` in a container. */
  ipIn<T = Json[]>(container: Container, ...args: string[]): T {
    return ipJson<T>('-n', container.netns.slice(container.netns.lastIndexOf('/') + 1), ...args);
  }

  /** Names of the host's veths. */
  hostVeths(): string[] {
    return ipJson<{ ifname: string }[]>('link', 'show', 'type', 'veth').map(({ ifname }) => ifname);
  }

  /** Files below a directory that stand for addresses. */
  addresses(network: string, dataDir: string = '/var/lib/cni/networks'): string[] {
    return list(`${dataDir}/${network}`).filter(
      (name) => name !== 'lock' && !name.startsWith('last_reserved_ip.'),
    );
  }

  /** Lock files that are there. */
  locks(): string[] {
    return list(lockDirectory);
  }

  /** Comments of all masquerade rules. */
  masqueradeRules(): string[] {
    const { nftables } = nftJson('list', 'ruleset');
    return nftables.flatMap((entry) => {
      const rule = entry['rule'] as { chain: string; comment?: string } | undefined;
      return rule?.chain === 'masq_checks' ? [rule.comment ?? ''] : [];
    });
  }

  /** What an attachment left on the node: every list must be empty once it is gone. */
  leftovers(network: string): Record<string, string[]> {
    return {
      veths: this.hostVeths(),
      addresses: this.addresses(network),
      rules: this.masqueradeRules(),
      locks: this.locks(),
      rendered: list('/var/lib/cni/flannel'),
    };
  }
}

/** What `leftovers` says of a clean node. */
export const nothing: Record<string, string[]> = {
  veths: [],
  addresses: [],
  rules: [],
  locks: [],
  rendered: [],
};

/** The names in a directory, none where it does not exist. */
export function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

/** A file's text. */
export function read(path: string): string {
  return readFileSync(path, 'utf8');
}

export { ipJson, nftJson, run };

function environment(
  command: Command,
  container: Container | undefined,
  extra: Extra,
): Record<string, string> {
  return {
    CNI_COMMAND: command,
    CNI_PATH: '/nonexistent',
    ...(container
      ? { CNI_CONTAINERID: container.id, CNI_NETNS: container.netns, CNI_IFNAME: container.ifname }
      : {}),
    ...extra,
  };
}

function result(code: number, stdout: string): CallResult {
  return { code, stdout, json: stdout.trim() === '' ? {} : (JSON.parse(stdout) as Json) };
}
