import { describe, expect, test } from 'vitest';
import { isCniError } from './error.ts';
import * as json from './json.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (isCniError(error, 6)) return error.message;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('parseJsonObject', () => {
  test.each([
    ['', 'conf is empty'],
    [' \n', 'conf is empty'],
    ['{', 'conf is not valid JSON'],
    ['{"a":1}x', 'conf is not valid JSON'],
    ['\ufeff{}', 'conf is not valid JSON'],
    ["{'a':1}", 'conf is not valid JSON'],
    ['[]', 'conf must be a JSON object, got an array'],
    ['null', 'conf must be a JSON object, got null'],
    ['"x"', 'conf must be a JSON object, got the string "x"'],
    ['12', 'conf must be a JSON object, got number 12'],
  ])('%j is refused', (text, message) => {
    expect(messageOf(() => json.parseJsonObject(bytes(text), 'conf'))).toContain(message);
  });

  test('broken UTF-8 is refused', () => {
    const broken = new Uint8Array([...bytes('{"a":"'), 0xff, ...bytes('"}')]);
    expect(messageOf(() => json.parseJsonObject(broken, 'conf'))).toBe('conf is not valid UTF-8');
  });

  test('nesting that would overflow a stack is refused, and brackets in strings do not count', () => {
    const nest = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(messageOf(() => json.parseJsonObject(bytes(nest(2_000_000)), 'conf'))).toContain(
      'nested more than',
    );
    expect(messageOf(() => json.parseJsonObject(bytes(nest(10_000)), 'conf'))).toContain('nested more than');
    const deepest = json.parseJsonObject(bytes(nest(9_999)), 'conf');
    expect(JSON.stringify(deepest)).toBe(nest(9_999));
    const text = JSON.stringify({ a: `\\"${'['.repeat(50_000)}` });
    expect(json.parseJsonObject(bytes(text), 'conf')['a']).toHaveLength(50_002);
  });
});

describe('readers', () => {
  test('absent and null are undefined', () => {
    const readers = [
      json.readObject,
      json.readArray,
      json.readString,
      json.readBoolean,
      json.readUint,
      json.readStrings,
    ];
    for (const read of readers) {
      expect(read(undefined, 'k')).toBeUndefined();
      expect(read(null, 'k')).toBeUndefined();
    }
  });

  test('another type is an error that names key and type', () => {
    expect(messageOf(() => json.readString(1, 'a.b'))).toBe('a.b must be a string, got number 1');
    expect(messageOf(() => json.readObject([], 'a'))).toBe('a must be an object, got an array');
    expect(messageOf(() => json.readArray({}, 'a'))).toBe('a must be an array, got an object');
    expect(messageOf(() => json.readBoolean('true', 'a'))).toBe(
      'a must be true or false, got the string "true"',
    );
    expect(messageOf(() => json.readUint(1.5, 'a'))).toBe('a must be an integer, got number 1.5');
    expect(messageOf(() => json.readUint(1e300, 'a'))).toContain('must be an integer');
    expect(messageOf(() => json.readUint(-1, 'a'))).toBe('a must not be negative, got -1');
    expect(messageOf(() => json.readStrings(['x', 2], 'a'))).toBe('a[1] must be a string, got number 2');
    expect(messageOf(() => json.readStrings([null], 'a'))).toBe('a[0] is missing: it must be a string');
    expect(messageOf(() => json.readString(true, 'a'))).toBe('a must be a string, got boolean true');
  });

  test('values of the right type come through', () => {
    expect(json.readUint(0, 'a')).toBe(0);
    expect(json.readInteger(-7, 'a')).toBe(-7);
    expect(json.readStrings(['x', ''], 'a')).toEqual(['x', '']);
  });
});
