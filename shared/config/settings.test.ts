import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';
import { parseConfigSection, readConfigSection } from './file.ts';
import { type FlagSpec, formatFlags, parseArguments } from './flags.ts';
import { Settings } from './settings.ts';
import { UsageError } from './usage-error.ts';

const specs: readonly FlagSpec[] = [
  { name: 'ip-masq', kind: 'boolean', default: 'true', help: 'masquerade' },
  { name: 'iface', kind: 'list', help: 'interface' },
  { name: 'iface-regex', kind: 'list', hasCommas: true, help: 'pattern' },
  { name: 'public-ip', kind: 'string', help: 'address' },
  { name: 'healthz-port', kind: 'integer', default: '0', help: 'port' },
  { name: 'lease-ttl', kind: 'duration', default: '24h', help: 'lease' },
  { name: 'log-format', kind: 'string', choices: ['text', 'json'], default: 'text', help: 'format' },
];

const settings = (
  args: string[],
  environment: Record<string, string> = {},
  file: Record<string, unknown> = {},
) =>
  new Settings(specs, {
    flags: parseArguments(args, specs).values,
    environment,
    environmentPrefix: 'FLANNELD_',
    file,
    fileName: 'config.yaml agent',
  });

describe('arguments as Go reads them', () => {
  test.each([
    [['--ip-masq'], true],
    [['-ip-masq'], true],
    [['--ip-masq=false'], false],
    [['-ip-masq=0'], false],
    [['--ip-masq=false', '--ip-masq'], true],
  ])('%j', (args, expected) => {
    expect(settings(args).boolean('ip-masq')).toBe(expected);
  });

  test('values follow = or come as the next argument; lists repeat', () => {
    const merged = settings(['--iface=eth0', '-iface', 'eth1', '--public-ip', '-1']);
    expect(merged.list('iface')).toEqual(['eth0', 'eth1']);
    expect(merged.string('public-ip')).toBe('-1');
  });

  test('what follows -- and bare words are the rest', () => {
    expect(parseArguments(['a', '--ip-masq', '--', '--iface'], specs).rest).toEqual(['a', '--iface']);
  });

  test.each([
    [['--ip-mask'], /unknown flag --ip-mask \(did you mean --ip-masq\?\)/],
    [['--iface'], /--iface needs a value/],
    [['--ip-masq=perhaps'], /must be true or false, not "perhaps"/],
    [['--healthz-port=x'], /whole number/],
    [['--lease-ttl=1day'], /duration/],
    [['--log-format=xml'], /text or json/],
  ])('%j is refused', (args, message) => {
    expect(() => parseArguments(args, specs)).toThrow(message);
    expect(() => parseArguments(args, specs)).toThrow(UsageError);
  });

  test('the help names every flag', () => {
    const help = formatFlags(specs);
    for (const spec of specs) expect(help).toContain(`--${spec.name}`);
    expect(parseArguments(['-h'], specs).help).toBe(true);
  });
});

describe('precedence', () => {
  test('flag, then environment, then file, then default', () => {
    const environment = { FLANNELD_PUBLIC_IP: '10.0.0.2' };
    const file = { 'public-ip': '10.0.0.3' };
    const ask = (...given: Parameters<typeof settings>): [string, string] => {
      const merged = settings(...given);
      return [merged.string('public-ip'), merged.source('public-ip')];
    };
    expect(ask(['--public-ip=10.0.0.1'], environment, file)).toEqual(['10.0.0.1', 'flag']);
    expect(ask([], environment, file)).toEqual(['10.0.0.2', 'environment']);
    expect(ask([], {}, file)).toEqual(['10.0.0.3', 'file']);
    expect(ask([])).toEqual(['', 'default']);
    expect(settings([]).duration('lease-ttl')).toBe(86_400_000);
  });

  test('a variable that the kubelet made of a Service is none of ours', () => {
    expect(settings([], { FLANNELD_HEALTHZ_PORT: 'tcp://10.96.0.9:8080' }).source('healthz-port')).toBe(
      'default',
    );
    expect(() => settings([], { FLANNELD_HEALTHZ_PORT: 'x' })).toThrow('whole number');
  });

  test('a list whose values may hold commas has one in the environment', () => {
    expect(settings([], { FLANNELD_IFACE_REGEX: '^eth[0-9]{1,2}$' }).list('iface-regex')).toEqual([
      '^eth[0-9]{1,2}$',
    ]);
  });

  test('a list in the environment is comma-separated, in the file a sequence', () => {
    expect(settings([], { FLANNELD_IFACE: 'a,b' }).list('iface')).toEqual(['a', 'b']);
    expect(settings([], {}, { iface: ['a', 'b'], 'ip-masq': false }).list('iface')).toEqual(['a', 'b']);
  });

  test.each([
    [{ FLANNELD_HEALTHZ_PORT: 'many' }, {}, /FLANNELD_HEALTHZ_PORT/],
    [{}, { 'healthz-prt': 1 }, /unknown key "healthz-prt"/],
    [{}, { 'public-ip': ['a'] }, /not a list/],
    [{}, { 'public-ip': { a: 1 } }, /plain value/],
  ])('environment %j, file %j is refused', (environment, file, message) => {
    expect(() => settings([], environment, file)).toThrow(message);
  });

  test('asking for what was never declared is a bug', () => {
    expect(() => settings([]).string('nothing')).toThrow(/not declared/);
  });
});

describe('config file', () => {
  test('one section is picked', () => {
    const text = 'agent:\n  iface: [eth0]\n  ip-masq: false\nproxy:\n  mode: nftables\n';
    expect(parseConfigSection(text, 'agent', 'f')).toEqual({ iface: ['eth0'], 'ip-masq': false });
    expect(parseConfigSection('', 'agent', 'f')).toEqual({});
    expect(parseConfigSection('proxy: {}', 'agent', 'f')).toEqual({});
  });

  test.each(['[1]', 'agent: 5', 'agent: {'])('%j is refused', (text) => {
    expect(() => parseConfigSection(text, 'agent', 'f')).toThrow(UsageError);
  });

  test('a file that was asked for must be there', () => {
    expect(() => readConfigSection('agent', '/nonexistent/config.yaml')).toThrow(UsageError);
  });
});

test('durations survive writing and reading', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 9 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBeCloseTo(ms, 6);
    }),
  );
  expect(parseDuration('1h30m')).toBe(5_400_000);
  expect(parseDuration('1h-')).toBeUndefined();
});
