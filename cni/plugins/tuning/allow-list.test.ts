import { describe, expect, test } from 'vitest';
import { parseAllowList } from './allow-list.ts';

const allows = (text: string, key: string): boolean => parseAllowList(text, 'list')(key);

describe('the list of parameters that may be set', () => {
  test.each([
    ['^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$', 'net.ipv4.conf.IFNAME.arp_filter', true],
    ['^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$', 'net.ipv4.conf.all.arp_filter', false],
    // Any part of the name will do.
    ['somaxconn', 'net.core.somaxconn', true],
    ['\n  ^net.core  \n\n net.ipv6\n', 'net.ipv6.conf.all.forwarding', true],
    ['', 'net.core.somaxconn', false],
    // As Go writes it.
    ['(?i)NET\\.CORE', 'net.core.somaxconn', true],
    ['\\Anet\\.core\\.\\w+\\z', 'net.core.somaxconn', true],
    ['\\Acore', 'net.core.somaxconn', false],
    ['core\\z', 'net.core.somaxconn', false],
    ['^net\\.[[:alpha:]]+\\.[[:lower:]_]+$', 'net.core.somaxconn', true],
    ['^net\\.[[:digit:]]+', 'net.core.somaxconn', false],
    ['^[[:alpha:]]', 'net', true],
    ['^(?P<first>net)\\.(?:core|ipv4)\\.', 'net.ipv4.ip_forward', true],
    ['^net[]./]core', 'net/core/somaxconn', true],
    ['^net[^]./]core', 'net/core/somaxconn', false],
    ['^net\\.core\\.rmem\\-max$', 'net.core.rmem-max', true],
    ['[[:punct:]]core', 'net.core', true],
    ['net[[]core', 'net[core', true],
  ])('%j and %s: %s', (text, key, expected) => {
    expect(allows(text, key)).toBe(expected);
  });

  test.each([
    ['('],
    ['net.(core'],
    ['*net'],
    // What JavaScript would read as something else, or only it knows.
    ['(a)\\1'],
    ['\\Qnet.core\\E'],
    ['\\pL'],
    ['\\x{6e}et'],
    ['(?U)net.*'],
    ['net(?=core)'],
    ['(?<!x)net'],
    ['[[:name:]]'],
    ['net\\'],
  ])('refuses %s', (line) => {
    expect(() => allows(`^net\n${line}\n`, 'net')).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringContaining(JSON.stringify(line)) }),
    );
  });
});
