/** `underpod csi`: picks the driver, and loads it alone. */

import { writeSync } from 'node:fs';

type Program = (args: string[]) => Promise<number>;

interface Entry {
  readonly summary?: string;
  readonly load: () => Promise<Program>;
}

const drivers: Readonly<Record<string, Entry>> = {
  local: {
    summary: 'local persistent volumes (in place of local-path and TopoLVM)',
    load: async () => (await import('./local/main.ts')).main,
  },
  // The driver starts it for the moment of a snapshot.
  freeze: { load: async () => (await import('./local/backends/freeze-main.ts')).main },
};

/** Exit codes: the driver's; 2 where there is none of that name. */
export async function main(args: string[]): Promise<number> {
  const [name = '--help', ...rest] = args;
  const entry = Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  if (entry) return (await entry.load())(rest);
  if (name === '--help' || name === '-h' || name === 'help') {
    writeSync(1, usage());
    return 0;
  }
  writeSync(
    2,
    `underpod csi: there is no driver ${JSON.stringify(name)}; 'underpod csi --help' lists them\n`,
  );
  return 2;
}

function usage(): string {
  const lines = Object.entries(drivers).flatMap(([name, { summary }]) =>
    summary === undefined ? [] : [`  ${name.padEnd(11)}${summary}`],
  );
  return `underpod csi: drivers for volumes

Usage: underpod csi DRIVER [FLAGS]     (underpod csi DRIVER --help tells more)

${lines.join('\n')}
`;
}
