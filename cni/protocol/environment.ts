import type { CniArgs } from './args.ts';
import { parseArgs } from './args.ts';
import { invalidEnvironment } from './error.ts';
import { containerIdProblem, ifnameProblem } from './names.ts';

/** Environment variables as `process.env` holds them. */
export type Variables = Readonly<Record<string, string | undefined>>;

interface CommonEnvironment {
  readonly args: CniArgs;
  /** Directories to look for delegates in, in this order. */
  readonly path: readonly string[];
}

interface AttachmentEnvironment extends CommonEnvironment {
  readonly containerId: string;
  readonly ifname: string;
  /** CNI_NETNS_OVERRIDE: the container's namespace may be the plugin's own. */
  readonly netnsOverride: boolean;
}

export interface AddEnvironment extends AttachmentEnvironment {
  readonly command: 'ADD';
  readonly netns: string;
}

export interface CheckEnvironment extends AttachmentEnvironment {
  readonly command: 'CHECK';
  readonly netns: string;
}

export interface DelEnvironment extends AttachmentEnvironment {
  readonly command: 'DEL';
  /** Absent when the runtime knows that the namespace is gone. */
  readonly netns: string | undefined;
}

/** Of the calls that concern a network rather than one attachment. */
export interface NetworkEnvironment extends CommonEnvironment {
  readonly command: 'GC' | 'STATUS';
}

export interface VersionEnvironment {
  readonly command: 'VERSION';
}

export type Environment =
  | AddEnvironment
  | CheckEnvironment
  | DelEnvironment
  | NetworkEnvironment
  | VersionEnvironment;

export type Command = Environment['command'];

/** Every operation of specification 1.1.0. */
export const commands: readonly Command[] = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'];

const attachmentVariables = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] as const;

/** The variables that must not be empty, as the reference library demands them (CNI_PATH beyond the specification). */
const requiredVariables: Record<Command, readonly string[]> = {
  ADD: attachmentVariables,
  CHECK: attachmentVariables,
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME', 'CNI_PATH'],
  GC: ['CNI_PATH'],
  STATUS: ['CNI_PATH'],
  VERSION: [],
};

/**
 * Reads the CNI_* variables. Throws code 4 naming every variable that is missing, or the first that is invalid.
 * CNI_COMMAND must be present: whoever answers without one (dispatch.ts) looks at it first.
 */
export function parseEnvironment(variables: Variables): Environment {
  const command = requireCommand(variables['CNI_COMMAND'] ?? '');
  if (command === 'VERSION') return { command };

  const missing: string[] = [];
  for (const name of requiredVariables[command]) if (!variables[name]) missing.push(name);
  if (missing.length > 0) {
    throw invalidEnvironment(`${missing.join(', ')} must be set for CNI_COMMAND=${command}`);
  }
  const path: string[] = [];
  for (const directory of (variables['CNI_PATH'] ?? '').split(':'))
    if (directory !== '') path.push(directory);
  const args = parseArgs(variables['CNI_ARGS'] ?? '');
  if (command === 'GC' || command === 'STATUS') return { command, args, path };

  const containerId = requireValid('CNI_CONTAINERID', variables['CNI_CONTAINERID'] ?? '', containerIdProblem);
  const ifname = requireValid('CNI_IFNAME', variables['CNI_IFNAME'] ?? '', ifnameProblem);
  const override = variables['CNI_NETNS_OVERRIDE'] ?? '';
  const netnsOverride = override === '1' || override.toUpperCase() === 'TRUE';
  const netns = variables['CNI_NETNS'] ?? '';
  const common = { args, path, containerId, ifname, netnsOverride };
  return command === 'DEL'
    ? { command, ...common, netns: netns === '' ? undefined : netns }
    : { command, ...common, netns };
}

/** The variables that a delegate gets: the reverse of parseEnvironment. */
export function environmentVariables(env: Environment): Record<string, string> {
  if (env.command === 'VERSION') return { CNI_COMMAND: env.command };
  const common = { CNI_COMMAND: env.command, CNI_ARGS: env.args.text, CNI_PATH: env.path.join(':') };
  if (!('containerId' in env)) return common;
  return {
    ...common,
    CNI_CONTAINERID: env.containerId,
    CNI_NETNS: env.netns ?? '',
    CNI_IFNAME: env.ifname,
    ...(env.netnsOverride ? { CNI_NETNS_OVERRIDE: '1' } : {}),
  };
}

function requireCommand(text: string): Command {
  for (const known of commands) if (known === text) return known;
  const found = text === '' ? 'is not set' : `is ${JSON.stringify(text.slice(0, 64))}`;
  throw invalidEnvironment(`CNI_COMMAND ${found}: it must be one of ${commands.join(', ')}`);
}

function requireValid(name: string, value: string, problemOf: (value: string) => string | undefined): string {
  const problem = problemOf(value);
  if (problem === undefined) return value;
  throw invalidEnvironment(`${name} ${JSON.stringify(value.slice(0, 256))} ${problem}`);
}
