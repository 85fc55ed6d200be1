import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseCodeMappings, unmapExecutedCode } from './memory.ts';

test('only the code of that file is found', () => {
  const maps = [
    '00200000-01838000 r--p 00000000 fe:00 77                                 /usr/bin/tool',
    '01838000-06642000 r-xp 01838000 fe:00 77                                 /usr/bin/tool',
    '06642000-06700000 rw-p 06641000 fe:00 77                                 /usr/bin/tool',
    '7f0000000000-7f0000010000 rwxp 00000000 00:00 0 ',
    '7f0000020000-7f0000030000 r-xp 00000000 fe:00 78                         /usr/lib/libc.so.6',
  ].join('\n');
  expect(parseCodeMappings(maps, '/usr/bin/tool')).toEqual([{ start: 0x1838000, length: 0x4e0a000 }]);
});

test('code that was dropped runs on, and less of it is resident', () => {
  const resident = (): number => {
    let inCode = false;
    for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
      if (/^[0-9a-f]+-[0-9a-f]+ /.test(line))
        inCode = line.includes(' r-xp ') && line.endsWith(process.execPath);
      if (inCode && line.startsWith('Rss:')) return Number(/\d+/.exec(line)?.[0]);
    }
    return 0;
  };
  const before = resident();
  expect(unmapExecutedCode()).toBeGreaterThan(1 << 20);
  expect(JSON.parse(JSON.stringify({ a: [1, 2, 3] }))).toEqual({ a: [1, 2, 3] });
  expect(resident()).toBeLessThan(before);
});
