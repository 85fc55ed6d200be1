/** How the table of `underpod status` says things. Pure. */

/** Lines of label and value. */
export function rowsToText(rows: readonly (readonly [string, string])[]): string {
  return rows.map(([label, value]) => `${label.padEnd(12)} ${value}\n`).join('');
}

export function list(items: readonly string[], none: string): string {
  return items.length > 0 ? items.join(', ') : none;
}

export function age(since: string, now: number): string {
  return duration(now - Date.parse(since));
}

/** The two largest units. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const units: readonly [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0s';
  let rest = seconds;
  return units
    .slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count > 0 ? `${count}${unit}` : '';
    })
    .join('');
}
