/**
 * JSON with the bytes that Go's encoding/json writes for a map: keys in order, and `<`, `>`, `&` and the two line
 * separators escaped. Plugins get the same bytes from us as from libcni, and so does the result cache.
 */
export function goJson(value: unknown): string {
  return escapeHtml(JSON.stringify(value, sortKeys));
}

/** As goJson for a Go struct: the outermost keys stay in the order given; entries with undefined are left out. */
export function goJsonStruct(fields: readonly (readonly [key: string, value: unknown])[]): string {
  const present = fields.filter(([, value]) => value !== undefined);
  return `{${present.map(([key, value]) => `${JSON.stringify(key)}:${goJson(value)}`).join(',')}}`;
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function escapeHtml(json: string): string {
  // In JSON these characters occur in strings only, so the text can be treated as a whole.
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
