import { expect, test } from 'vitest';
import { parseResolvConf } from './resolv-conf.ts';

test('adds up nameservers, search domains and options; the last domain counts', () => {
  const text = [
    '# comment',
    '; another',
    'nameserver 192.0.2.1',
    '  nameserver\t192.0.2.2   ',
    'domain a.example',
    'domain b.example',
    'search one.example two.example',
    'search three.example',
    'options ndots:2 edns0',
    'nameserver',
    'sortlist 1.2.3.4',
    '',
  ].join('\n');
  expect(parseResolvConf(text)).toEqual({
    nameservers: ['192.0.2.1', '192.0.2.2'],
    domain: 'b.example',
    search: ['one.example', 'two.example', 'three.example'],
    options: ['ndots:2', 'edns0'],
  });
});

test('an empty file says nothing', () => {
  expect(parseResolvConf('')).toEqual({});
});
