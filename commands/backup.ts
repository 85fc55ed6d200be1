/** `underpod backup`: copies the embedded store to a file while it is in use. */

import { UsageError } from '../shared/config/usage-error.ts';
import { backupStore } from '../shared/store/embedded/backup.ts';
import { type CommandIo, processIo, runCommand } from './store/command.ts';

/** Exit code 0; 1 when no backup could be made (an older one is still there then); 2 for wrong arguments. */
export async function main(args: string[], io: CommandIo = processIo): Promise<number> {
  return runCommand(
    {
      name: 'backup',
      usage: 'FILE [FLAGS]',
      description: [
        'Copies the embedded store to FILE while nodes go on using it. The copy is read back from end to end and',
        'synced before it appears; an older backup of that name is replaced, any other file is not.',
      ].join('\n'),
      flags: [],
      run: ({ rest, open }) => {
        const [file, ...more] = rest;
        if (file === undefined || more.length > 0)
          throw new UsageError('name one file: underpod backup FILE');
        using store = open();
        const { objects, bytes } = backupStore(store, file);
        io.out(`${file}: ${objects} ${objects === 1 ? 'object' : 'objects'}, ${bytes} bytes\n`);
        return 0;
      },
    },
    args,
    io,
  );
}
