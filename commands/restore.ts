/** `underpod restore`: replaces what the embedded store holds by a backup. */

import { UsageError } from '../shared/config/usage-error.ts';
import { restoreStore, StagedBackup } from '../shared/store/embedded/restore.ts';
import { type CommandIo, processIo, runCommand } from './store/command.ts';

/** Exit code 0; 1 when nothing was restored, and then nothing was changed; 2 for wrong arguments. */
export async function main(args: string[], io: CommandIo = processIo): Promise<number> {
  return runCommand(
    {
      name: 'restore',
      usage: 'FILE [FLAGS]',
      description: [
        'Replaces what the embedded store holds by a backup, all at once, while nodes go on using it. The backup is',
        'read from end to end first; if anything is wrong with it, nothing is changed.',
        '',
        'Nodes that are alive keep their lease and their subnet whatever the backup says; leases of the past do not',
        'come back. A store that is missing is made, a damaged one is set aside.',
      ].join('\n'),
      flags: [],
      run: ({ rest, file: storeFile, open }) => {
        const [file, ...more] = rest;
        if (file === undefined || more.length > 0)
          throw new UsageError('name one file: underpod restore FILE');
        // Before the store is touched: a bad backup must not even make an empty one.
        using staged = new StagedBackup(file, storeFile);
        using store = open({
          create: true,
          onDamage: 'set-aside',
          report: (report) => {
            if (report.type !== 'rebuilt') return;
            const where = report.setAside === undefined ? '' : `; it is now ${report.setAside}`;
            io.err(`the store was damaged (${report.reason})${where}\n`);
          },
        });
        const { objects, kept, dropped } = restoreStore(store, staged);
        io.out(`${file}: ${objects} ${objects === 1 ? 'object' : 'objects'} restored\n`);
        if (kept.length > 0) io.out(`kept as they are, since they are alive: ${nodes(kept)}\n`);
        if (dropped.length > 0) io.out(`not brought back (lease over, or subnet taken): ${nodes(dropped)}\n`);
        return 0;
      },
    },
    args,
    io,
  );
}

function nodes(names: readonly string[]): string {
  return names.map((name) => `node/${name}`).join(', ');
}
