/** Runs a case on one side: every operation in a runtime's order, each answer and the state between them kept. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type CallAnswer, containerId, FreshNode, ifname, type Json } from '../cni/fresh-node.ts';
import type { Case } from './case.ts';
import { normalise } from './compare.ts';
import { hostState, podState } from './kernel-state.ts';

/** The directories of the two sides' executables. */
export interface Side {
  readonly directory: string;
  /** Whose plugin makes prevResult. */
  readonly baseDirectory: string;
}

/** What is compared of an answer: messages are each side's own. */
function outcome({ code, json, stdout }: CallAnswer): Json {
  if (code === 0) return { exit: 0, result: json };
  const error = json as { code?: unknown; cniVersion?: unknown } | undefined;
  if (typeof error !== 'object') return { exit: code, noError: stdout };
  return { exit: code, error: error.code };
}

/** Steps by name, with what each gave. `left` is what our own directory still has after DEL. */
export function runCase(side: Side, type: string, one: Case, version: string): Json {
  using node = new FreshNode(one.setup);
  for (const [path, text] of Object.entries(one.files ?? {})) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const common: Json = { cniVersion: version, name: 'net' };
  const base: Json | undefined = one.base && { ...common, ...one.base };
  let prevResult: unknown;
  if (base) {
    const made = node.call(side.baseDirectory, 'ADD', base);
    if (made.code !== 0) throw new Error(`${String(base['type'])} before ${type}: ${made.stdout}`);
    prevResult = made.json;
  }
  const steps: Json = {};
  const extra: Record<string, string> = one.args ? { CNI_ARGS: one.args } : {};
  const call = (name: string, command: Parameters<FreshNode['call']>[1], more: Json = {}): CallAnswer => {
    const conf = { ...common, type, ...one.config, ...more };
    const answer = node.call(side.directory, command, conf, extra);
    steps[name] = outcome(answer);
    return answer;
  };
  call('VERSION', 'VERSION');
  call('STATUS', 'STATUS');
  const added = call('ADD', 'ADD', prevResult === undefined ? {} : { prevResult });
  steps['pod'] = podState(node);
  steps['host'] = hostState(node);
  if (added.code === 0) {
    const previous = { prevResult: added.json };
    call('CHECK', 'CHECK', previous);
    call('GC', 'GC', { 'cni.dev/valid-attachments': [{ containerID: containerId, ifname }] });
    steps['pod after GC'] = podState(node);
    call('CHECK after GC', 'CHECK', previous);
    call('DEL', 'DEL', previous);
  } else call('DEL', 'DEL', prevResult === undefined ? {} : { prevResult });
  steps['pod after DEL'] = podState(node);
  call('second DEL', 'DEL');
  if (base) {
    const gone = node.call(side.baseDirectory, 'DEL', { ...base, prevResult });
    if (gone.code !== 0) throw new Error(`DEL of ${String(base['type'])} after ${type}: ${gone.stdout}`);
  }
  steps['host after DEL'] = hostState(node);
  const left = Object.keys(node.files()).filter((path) => path.startsWith('/run/underpod/'));
  if (left.length > 0) steps['left'] = left;
  return normalise(steps) as Json;
}
