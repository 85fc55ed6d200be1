import { describe, expect, test } from 'vitest';
import { errorText, formatJson, formatText, isLevel, type LogEvent } from './format.ts';
import { createLogger } from './logger.ts';

const event = (fields: Record<string, unknown>, message = 'peer joined'): LogEvent => ({
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  level: 'info',
  component: 'agent.vxlan',
  message,
  fields,
});

describe('text', () => {
  test('time, level, component, message, key=value', () => {
    expect(formatText(event({ node: 'n1', peers: 3 }))).toBe(
      '2026-01-02T03:04:05.006Z info  agent.vxlan peer joined node=n1 peers=3',
    );
  });

  test.each([
    ['two words', '"two words"'],
    ['', '""'],
    ['a=b', '"a=b"'],
    ['say "x"', String.raw`"say \"x\""`],
    ['a\nb', String.raw`"a\nb"`],
    ['10.0.0.1/24', '10.0.0.1/24'],
  ])('value %j is written %s', (value, written) => {
    expect(formatText(event({ k: value })).endsWith(` k=${written}`)).toBe(true);
  });

  test('an event stays one line, undefined fields are left out', () => {
    const line = formatText(event({ gone: undefined, error: new Error('a\nb') }, 'x\ny'));
    expect(line.split('\n')).toHaveLength(1);
    expect(line).not.toContain('gone');
  });
});

test('json carries the fields, bigints and errors included, and fields cannot pose as the level', () => {
  const line = formatJson(
    event({ n: 5n, error: new Error('bad', { cause: new Error('worse') }), level: 'error' }),
  );
  expect(JSON.parse(line)).toEqual({
    time: '2026-01-02T03:04:05.006Z',
    level: 'info',
    component: 'agent.vxlan',
    message: 'peer joined',
    n: '5',
    error: 'bad: worse',
  });
});

test('errorText follows causes, ends on a cycle and repeats nothing', () => {
  const inner = new Error('ENOENT');
  const outer = new Error('open: ENOENT', { cause: inner });
  inner.cause = outer;
  expect(errorText(outer)).toBe('open: ENOENT');
  expect(errorText('text')).toBe('text');
});

test('events below the level are not written; children name their part', () => {
  const lines: string[] = [];
  const log = createLogger('agent', { level: 'warn', sink: (line) => lines.push(line), now: () => 0 });
  log.info('no');
  log.child('store').error('yes', { code: 7 });
  expect(lines).toEqual(['1970-01-01T00:00:00.000Z error agent.store yes code=7\n']);
  expect([isLevel('debug'), isLevel('trace')]).toEqual([true, false]);
});
