/** The lab's commands; `make up`, `make down` and `make shell` call them. */
import { BREAKS, type Break } from './break.ts';
import { ask } from './control.ts';
import { type HoldArguments, hold } from './hold.ts';
import { Instance } from './instance.ts';
import { type CommandLine, nodeNumber, parseCommandLine, UsageError, usage } from './options.ts';
import { PROGRAMS, type ProgramName } from './programs.ts';
import type { Report } from './report.ts';
import { formatStatus, nodesOf, shell } from './shell.ts';
import { SERVER_ACTS, type ServerAct } from './stores/store.ts';
import { formatRow } from './table.ts';
import { Interrupted, Unable, up } from './up.ts';

const color = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;

/** Prints what the holder reports. */
function printer(line: CommandLine): Report {
  if (line.json) return (event) => console.log(JSON.stringify(event));
  return (event) => {
    if (event.kind === 'row') console.log(formatRow(event.row, color));
    else if (event.kind === 'text') console.log(event.text);
    else if (event.kind === 'progress') console.log(`… ${event.text} (${event.seconds} s)`);
  };
}

async function runUp(line: CommandLine): Promise<number> {
  const instance = new Instance(line.name);
  using _ = await instance.lock(() => console.log('waiting for another command on this lab'));
  let ok: boolean;
  try {
    ok = await up(instance, line, printer(line));
  } catch (error) {
    instance.remove(_);
    throw error;
  }
  const named = line.name === 'default' ? '' : `LAB=${line.name} `;
  console.log(`
The lab is running${ok ? '' : ', so that you can look'}: ${line.options.nodes} ${line.options.nodes === 1 ? 'node' : 'nodes'}, two pods each.
  ${named}make shell NODE=1      a shell on node1; there: ip netns exec pod1a ping …, bridge fdb, nft list ruleset
  ${named}make down              remove it`);
  return ok ? 0 : 1;
}

async function runDown(line: CommandLine): Promise<number> {
  const instance = new Instance(line.name);
  if (!instance.exists() && instance.holders().length === 0) {
    console.log(`no lab "${line.name}" is running`);
    return 0;
  }
  const lock = await instance.lock(() => console.log('waiting for another command on this lab'));
  try {
    await instance.destroy();
  } finally {
    instance.remove(lock);
  }
  console.log(`lab "${line.name}" is gone`);
  return 0;
}

async function runCheck(line: CommandLine): Promise<number> {
  const instance = new Instance(line.name);
  await nodesOf(instance);
  const { ok } = await ask(instance.socket, 'check', line.request, printer(line));
  return ok ? 0 : 1;
}

/** `break` and `heal`. */
async function runBreak(line: CommandLine): Promise<number> {
  const [what, node] = line.positionals;
  if (!BREAKS.includes(what as Break))
    throw new UsageError(`${line.command} what? One of ${BREAKS.join(', ')}`);
  const instance = new Instance(line.name);
  await nodesOf(instance);
  const request = { what, ...(node === undefined ? {} : { node: nodeNumber(node) }) };
  const { ok, value } = await ask(instance.socket, line.command, request, printer(line));
  if (ok) console.log(typeof value === 'number' ? `${what}: healed in ${Math.ceil(value)} ms` : value);
  return ok ? 0 : 1;
}

async function runMend(line: CommandLine): Promise<number> {
  const instance = new Instance(line.name);
  await nodesOf(instance);
  const { ok } = await ask(
    instance.socket,
    'mend',
    { node: nodeNumber(line.positionals[0] ?? '1') },
    printer(line),
  );
  return ok ? 0 : 1;
}

/** `agent` and `reboot`. */
async function runAgent(line: CommandLine): Promise<number> {
  const [node = '1', program = 'underpod'] = line.positionals;
  if (!PROGRAMS.includes(program as ProgramName))
    throw new UsageError(`the agent is one of ${PROGRAMS.join(', ')}, not "${program}"`);
  const instance = new Instance(line.name);
  await nodesOf(instance);
  const { ok, value } = await ask(
    instance.socket,
    line.command,
    { node: nodeNumber(node), program },
    printer(line),
  );
  if (ok) console.log(`${program} was ready after ${Math.ceil(value as number)} ms`);
  return ok ? 0 : 1;
}

async function runChangeover(line: CommandLine): Promise<number> {
  const node = nodeNumber(line.positionals[0] ?? '1');
  const instance = new Instance(line.name);
  await nodesOf(instance);
  const { ok } = await ask(instance.socket, 'changeover', { node }, printer(line));
  return ok ? 0 : 1;
}

async function runServer(line: CommandLine): Promise<number> {
  const [act] = line.positionals;
  if (!SERVER_ACTS.includes(act as ServerAct)) throw new UsageError(`server ${SERVER_ACTS.join(', ')}?`);
  const instance = new Instance(line.name);
  await nodesOf(instance);
  const { ok } = await ask(instance.socket, 'server', { act }, printer(line));
  return ok ? 0 : 1;
}

async function runDump(line: CommandLine): Promise<number> {
  const instance = new Instance(line.name);
  await nodesOf(instance);
  const { ok, value } = await ask(instance.socket, 'dump', {}, printer(line));
  if (ok)
    console.log(line.json ? JSON.stringify({ kind: 'dump', value }) : JSON.stringify(value, undefined, 2));
  return ok ? 0 : 1;
}

async function run(args: string[]): Promise<number> {
  if (args[0] === 'hold') {
    await hold(JSON.parse(args[2] ?? '') as HoldArguments);
    return await new Promise<number>(() => {});
  }
  const line = parseCommandLine(args, process.env);
  switch (line.command) {
    case 'up':
      return runUp(line);
    case 'down':
      return runDown(line);
    case 'check':
      return runCheck(line);
    case 'break':
    case 'heal':
      return runBreak(line);
    case 'changeover':
      return runChangeover(line);
    case 'agent':
    case 'reboot':
      return runAgent(line);
    case 'server':
      return runServer(line);
    case 'dump':
      return runDump(line);
    case 'mend':
      return runMend(line);
    case 'status':
      console.log(formatStatus(await nodesOf(new Instance(line.name))));
      return 0;
    case 'shell':
      return shell(new Instance(line.name), line.positionals[0] ?? '1', line.rest);
    case 'help':
      console.log(usage);
      return 0;
    default:
      throw new UsageError(`no command "${line.command}"`);
  }
}

try {
  process.exit(await run(process.argv.slice(2)));
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${usage}`);
  else if (error instanceof Unable) console.error(`the lab cannot run here: ${error.message}`);
  else console.error(`lab: ${error instanceof Error ? error.message : String(error)}`);
  // 130: what a shell reports for Ctrl-C.
  process.exit(error instanceof UsageError ? 2 : error instanceof Interrupted ? 130 : 1);
}
