import { describe, expect, test } from 'vitest';
import { freshNetns, run } from '../../conformance/testing/netns.ts';
import { interfaceExists } from './interface.ts';

describe.skipIf(!freshNetns())('interfaces', () => {
  test('exist by their whole name, in the present namespace', () => {
    expect(interfaceExists('lo')).toBe(true);
    expect(interfaceExists('bwp0123456789ab')).toBe(false);
    run('ip', 'link', 'add', 'bwp0123456789ab', 'type', 'ifb');
    expect(interfaceExists('bwp0123456789ab')).toBe(true);
    expect(interfaceExists('bwp0123456789a')).toBe(false);
    expect(interfaceExists('bwp0123456789abc')).toBe(false);
  });
});
