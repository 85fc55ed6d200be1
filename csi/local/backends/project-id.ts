/** Which number of a project a volume gets. Pure. */

/** Below them, people have their own (/etc/projid), as have other programs. The kernel takes 32 bits, some tools 31. */
const FIRST = 0x4000_0000;
const COUNT = 0x3fff_fff0;

/**
 * The number to be tried at an attempt, the same for the same volume at all times.
 *
 * @param name of the volume's place
 * @param attempt from 0: the next where the number is somebody else's
 */
export function projectCandidate(name: string, attempt: number): number {
  // FNV-1a over the name, started anew for each attempt.
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${attempt}/${name}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return FIRST + ((hash >>> 0) % COUNT);
}
