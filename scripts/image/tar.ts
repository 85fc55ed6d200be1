/** Tar archives whose bytes depend on nothing but their entries (POSIX.1-1988 ustar). Pure. */

export type TarEntry =
  | { readonly path: string; readonly type: 'file'; readonly mode: number; readonly content: Uint8Array }
  | { readonly path: string; readonly type: 'directory'; readonly mode: number }
  /** A symbolic link. */
  | { readonly path: string; readonly type: 'link'; readonly target: string };

const BLOCK = 512;
/** GNU tar's usual record, 20 blocks: readers of tapes wanted whole ones, and some still warn. */
const RECORD = 20 * BLOCK;

const TYPE_FLAG = { file: '0', link: '2', directory: '5' } as const;

/** Widths of the header's fields. */
const NAME = 100;
const PREFIX = 155;

/**
 * Packs entries in the order of their paths, which puts a directory before what is in it. All belong to root, and their
 * time is 1970.
 *
 * @param entries paths without a slash at either end
 * @throws RangeError for a path that ustar has no room for, or one that is there twice
 */
export function packTar(entries: readonly TarEntry[]): Uint8Array {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts: Uint8Array[] = [];
  let length = 0;
  const add = (part: Uint8Array): void => {
    parts.push(part);
    length += part.length;
  };
  for (const [index, entry] of sorted.entries()) {
    if (sorted[index + 1]?.path === entry.path) throw new RangeError(`${entry.path} is in the archive twice`);
    add(header(entry));
    if (entry.type !== 'file') continue;
    add(entry.content);
    add(new Uint8Array(-entry.content.length & (BLOCK - 1)));
  }
  // Two empty blocks end an archive.
  add(new Uint8Array(2 * BLOCK));
  add(new Uint8Array((RECORD - (length % RECORD)) % RECORD));
  const archive = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    archive.set(part, offset);
    offset += part.length;
  }
  return archive;
}

function header(entry: TarEntry): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const text = (offset: number, width: number, value: string): void => {
    const encoded = new TextEncoder().encode(value);
    if (encoded.length > width)
      throw new RangeError(`${entry.path}: "${value}" is longer than ${width} bytes`);
    bytes.set(encoded, offset);
  };
  const octal = (offset: number, width: number, value: number): void =>
    text(offset, width, `${value.toString(8).padStart(width - 1, '0')}\0`);
  const { name, prefix } = split(entry.type === 'directory' ? `${entry.path}/` : entry.path);
  text(0, NAME, name);
  octal(100, 8, entry.type === 'link' ? 0o777 : entry.mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, entry.type === 'file' ? entry.content.length : 0);
  octal(136, 12, 0);
  // The checksum counts its own field as spaces.
  text(148, 8, '        ');
  text(156, 1, TYPE_FLAG[entry.type]);
  if (entry.type === 'link') text(157, NAME, entry.target);
  text(257, 8, 'ustar\x0000');
  text(345, PREFIX, prefix);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  text(148, 8, `${sum.toString(8).padStart(6, '0')}\0 `);
  return bytes;
}

/** A long path is cut at a slash, which is in neither part. */
function split(path: string): { readonly name: string; readonly prefix: string } {
  if (path.length <= NAME) return { name: path, prefix: '' };
  const cut = path.indexOf('/', path.length - NAME - 1);
  if (cut < 0 || cut > PREFIX || cut === path.length - 1)
    throw new RangeError(`${path} is too long for an archive`);
  return { name: path.slice(cut + 1), prefix: path.slice(0, cut) };
}
