/** Names of files that are being written, and take their own name once they are complete. */

let counter = 0;

/**
 * A name beside `path` that nobody has: process and counter tell the writers of one moment apart, the random part
 * those of different ones, since after a kill the next process may have the same id (in a container always 1).
 */
export function temporaryName(path: string): string {
  const slash = path.lastIndexOf('/') + 1;
  counter += 1;
  const random = Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
  return `${path.slice(0, slash)}.${path.slice(slash)}.${process.pid}.${counter}.${random}.tmp`;
}

/** True for a name (without its directory) that `temporaryName` gave. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.\d+\.\d+\.[0-9a-f]{8}\.tmp$/.test(name);
}
