/** What a benchmark reports, and how it is printed. Pure. */

/** One measured thing; times in milliseconds unless `unit` says otherwise. */
export interface Figure {
  readonly name: string;
  /** Median of ours. */
  readonly ours: number;
  /** Median of the peer's, measured alternately in the same run; absent where there is none. */
  readonly peer?: number;
  /** The budget. */
  readonly budget?: number;
  readonly unit?: string;
  /** How many rounds a side. */
  readonly rounds: number;
  /** What a reader must know to compare it, printed below the table. */
  readonly note?: string;
}

/** The value below which a share `q` of the samples lies (nearest rank). @throws RangeError for no samples */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  if (value === undefined) throw new RangeError('no samples');
  return value;
}

/** The median. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** True unless a budget is exceeded. */
export function withinBudget(figure: Figure): boolean {
  return figure.budget === undefined || figure.ours <= figure.budget;
}

function amount(value: number | undefined, unit: string): string {
  if (value === undefined) return '–';
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 4;
  return `${value.toFixed(digits)} ${unit}`;
}

/** The figures as a Markdown table, which reads well on a terminal too. */
export function table(figures: readonly Figure[]): string {
  const header = ['what (p50)', 'ours', 'peer', 'ours/peer', 'budget', 'holds', 'rounds'];
  const rows = figures.map((figure) => {
    const unit = figure.unit ?? 'ms';
    const ratio = figure.peer === undefined ? '–' : (figure.ours / figure.peer).toFixed(2);
    const holds = figure.budget === undefined ? '–' : withinBudget(figure) ? 'yes' : 'NO';
    const budget = figure.budget === undefined ? '–' : `≤ ${figure.budget} ${unit}`;
    return [
      figure.name,
      amount(figure.ours, unit),
      amount(figure.peer, unit),
      ratio,
      budget,
      holds,
      `${figure.rounds}`,
    ];
  });
  const notes = figures.flatMap(({ name, note }) => (note === undefined ? [] : [`${name}: ${note}`]));
  return [...markdown(header, rows), ...notes.flatMap((note) => ['', note])].join('\n');
}

/** Where an emulated processor measures, amounts say nothing, and how one compares with the other does. */
export function ratios(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, ours, peer, rounds }) => [
    name,
    peer === undefined ? '–' : (ours / peer).toFixed(2),
    `${rounds}`,
  ]);
  return markdown(['what (p50)', 'ours/peer', 'rounds'], rows).join('\n');
}

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}
