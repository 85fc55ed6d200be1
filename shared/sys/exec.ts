/** A process that becomes another program, or the same one anew, under its own number. */

import { SyscallError } from './errno.ts';
import { addressOf, cstring, trySyscall } from './syscall.ts';

const POINTER_SIZE = 8;

/**
 * execve(2): does not return. Descriptors that are not close-on-exec, the process's number, its parent and what it was started
 * with by prctl(2) stay; the other threads end.
 *
 * @param argv the first is the name that it is called by
 * @throws SyscallError where the program cannot be started: nothing has happened then
 */
export function exec(
  path: string,
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): never {
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const [args, keptArgs] = pointers(argv);
  const [env, keptEnv] = pointers(variables);
  const result = trySyscall('execve', cstring(path), args, env);
  // What the pointers point to must still be there during the call.
  void [keptArgs, keptEnv];
  throw new SyscallError('execve', -result, path);
}

/** An array of pointers to the texts, ended by a null, and the memory that they point into. */
function pointers(texts: readonly string[]): [array: Uint8Array, memory: Uint8Array] {
  const strings = texts.map(cstring);
  const memory = new Uint8Array(new ArrayBuffer(strings.reduce((sum, { length }) => sum + length, 0) + 1));
  const array = new Uint8Array(new ArrayBuffer((strings.length + 1) * POINTER_SIZE));
  const view = new DataView(array.buffer);
  const base = addressOf(memory);
  let at = 0;
  for (const [index, bytes] of strings.entries()) {
    memory.set(bytes, at);
    view.setBigUint64(index * POINTER_SIZE, BigInt(base + at), true);
    at += bytes.length;
  }
  return [array, memory];
}
