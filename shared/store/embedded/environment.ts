import { type FSWatcher, watch } from 'node:fs';
import { statfs } from '../../sys/stat.ts';
import { type Clock, systemClock } from '../clock.ts';
import { type HostIdentity, readHostIdentity } from './host-record.ts';

/** What the store needs of the machine; tests stand in for the parts they cannot have. */
export interface StoreEnvironment {
  readonly clock: Clock;
  readonly host: HostIdentity;
  /** statfs(2)'s f_type. */
  readonly filesystemType: (path: string) => number;
  /**
   * Calls `onName` with the name of each file in `directory` that changes, and `onLost` if it cannot watch any more.
   * Events may be merged. @throws where inotify is exhausted
   */
  readonly watchDirectory: (
    directory: string,
    onName: (name: string) => void,
    onLost: () => void,
  ) => Disposable;
}

/** The real machine. */
export function realEnvironment(): StoreEnvironment {
  return {
    clock: systemClock(),
    host: readHostIdentity(),
    filesystemType: (path) => statfs(path).type,
    watchDirectory: (directory, onName, onLost) => {
      const watcher: FSWatcher = watch(directory, (_event, name) => {
        onName(name ?? '');
      });
      watcher.on('error', onLost);
      return { [Symbol.dispose]: () => watcher.close() };
    },
  };
}
