/** Cuts a watch's bytes into lines, one event each. Pure. */

const NEWLINE = 0x0a;
const decoder = new TextDecoder();

export class LineScanner {
  #rest: Uint8Array[] = [];

  /** The lines that are complete with this chunk, empty ones left out. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end);
      const line = decoder.decode(this.#rest.length === 0 ? part : joined([...this.#rest, part]));
      this.#rest = [];
      if (line.trim() !== '') lines.push(line);
      start = end + 1;
    }
    // A copy: what the network layer handed out may be used again.
    if (start < chunk.length) this.#rest.push(chunk.slice(start));
    return lines;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
