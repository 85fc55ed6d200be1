import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { argValue, parseArgs, requireKnownArgs } from './args.ts';
import type { Environment } from './environment.ts';
import { environmentVariables, parseEnvironment } from './environment.ts';
import type { CniError } from './error.ts';
import { isCniError } from './error.ts';

const add = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c0ffee',
  CNI_NETNS: '/run/netns/blue',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin:/usr/lib/cni',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns-0;K8S_POD_UID=42',
};

function errorOf(action: () => unknown): CniError {
  try {
    action();
  } catch (error) {
    if (isCniError(error)) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('parseEnvironment', () => {
  test('reads every variable of an ADD', () => {
    const env = parseEnvironment(add);
    expect(env).toMatchObject({
      command: 'ADD',
      containerId: 'c0ffee',
      netns: '/run/netns/blue',
      ifname: 'eth0',
      path: ['/opt/cni/bin', '/usr/lib/cni'],
      netnsOverride: false,
      args: { ignoreUnknown: true },
    });
  });

  test.each([
    ['ADD', 'CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH'],
    ['CHECK', 'CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_PATH'],
    ['DEL', 'CNI_CONTAINERID, CNI_IFNAME, CNI_PATH'],
    ['GC', 'CNI_PATH'],
    ['STATUS', 'CNI_PATH'],
  ])('%s names what is missing', (command, names) => {
    const error = errorOf(() => parseEnvironment({ CNI_COMMAND: command }));
    expect(error.code).toBe(4);
    expect(error.message).toBe(`${names} must be set for CNI_COMMAND=${command}`);
  });

  test('an empty variable is a missing one', () => {
    expect(errorOf(() => parseEnvironment({ ...add, CNI_NETNS: '' })).message).toContain('CNI_NETNS');
  });

  test('DEL works without a namespace; VERSION needs nothing', () => {
    expect(parseEnvironment({ ...add, CNI_COMMAND: 'DEL', CNI_NETNS: '' })).toMatchObject({
      netns: undefined,
    });
    expect(parseEnvironment({ CNI_COMMAND: 'VERSION' })).toEqual({ command: 'VERSION' });
  });

  test('GC and STATUS do not look at attachment variables', () => {
    const env = parseEnvironment({
      CNI_COMMAND: 'GC',
      CNI_PATH: '/x',
      CNI_IFNAME: 'far too long for a name',
    });
    expect(env).toMatchObject({ command: 'GC', path: ['/x'] });
  });

  test.each(['add', 'DELETE', '', 'VERSION '])('CNI_COMMAND=%j is refused', (command) => {
    expect(errorOf(() => parseEnvironment({ ...add, CNI_COMMAND: command })).code).toBe(4);
  });

  test.each(['-x', '.hidden', 'a/b', 'a b', 'ä', '../../etc', 'a\n'])('container id %j is refused', (id) => {
    const error = errorOf(() => parseEnvironment({ ...add, CNI_CONTAINERID: id }));
    expect(error.code).toBe(4);
    expect(error.message).toContain('CNI_CONTAINERID');
  });

  test.each(['.', '..', 'a/b', 'a:b', 'a b', 'a\tb', '0123456789abcdef', 'éééééééé'])(
    'ifname %j is refused',
    (name) => {
      const error = errorOf(() => parseEnvironment({ ...add, CNI_IFNAME: name }));
      expect(error.code).toBe(4);
      expect(error.message).toContain('CNI_IFNAME');
    },
  );

  test.each(['a', 'A9_.-', '0', 'x'.repeat(200)])('container id %j is taken', (id) => {
    expect(parseEnvironment({ ...add, CNI_CONTAINERID: id })).toMatchObject({ containerId: id });
  });

  test.each(['0123456789abcde', '...', 'eth0@x', '-'])('ifname %j is taken', (name) => {
    expect(parseEnvironment({ ...add, CNI_IFNAME: name })).toMatchObject({ ifname: name });
  });

  test.each([
    ['1', true],
    ['true', true],
    ['TRUE', true],
    ['0', false],
    ['yes', false],
  ])('override %j', (text, on) => {
    expect(parseEnvironment({ ...add, CNI_NETNS_OVERRIDE: text })).toMatchObject({ netnsOverride: on });
  });

  test('environmentVariables is its reverse', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'),
        fc.constantFrom('', '/run/netns/x'),
        fc.constantFrom('', '1'),
        fc.constantFrom('', 'A=1;B=x=y', 'IgnoreUnknown=true;;K8S_POD_NAME=p'),
        (command, netns, override, args) => {
          const given = { ...add, CNI_COMMAND: command, CNI_ARGS: args, CNI_NETNS_OVERRIDE: override };
          const env: Environment = parseEnvironment(
            command === 'DEL' ? { ...given, CNI_NETNS: netns } : given,
          );
          expect(parseEnvironment(environmentVariables(env))).toEqual(env);
        },
      ),
    );
  });
});

describe('CNI_ARGS', () => {
  test('the last of a repeated key counts, and values may hold "="', () => {
    const args = parseArgs('A=1;A=2=3');
    expect(argValue(args, 'A')).toBe('2=3');
    expect(argValue(args, 'a')).toBeUndefined();
  });

  test.each(['A', '=x', 'A=1;B'])('%j is refused', (text) => {
    const error = errorOf(() => parseArgs(text));
    expect(error.code).toBe(4);
    expect(error.message).toContain('CNI_ARGS');
  });

  test('IgnoreUnknown must be a boolean', () => {
    expect(errorOf(() => parseArgs('IgnoreUnknown=maybe')).message).toContain('IgnoreUnknown');
    expect(parseArgs('IgnoreUnknown=TRUE').ignoreUnknown).toBe(true);
    expect(parseArgs('').ignoreUnknown).toBe(false);
  });

  test('unknown keys are refused by name unless they are to be ignored', () => {
    const error = errorOf(() => requireKnownArgs(parseArgs('MAC=x;FOO=1;K8S_POD_NAME=p'), ['MAC']));
    expect(error.code).toBe(4);
    expect(error.message).toBe('CNI_ARGS has unknown keys: FOO');
    requireKnownArgs(parseArgs('FOO=1;IgnoreUnknown=1'), ['MAC']);
  });
});
