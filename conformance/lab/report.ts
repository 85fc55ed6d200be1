/** What a lab says while it works: events, sent as lines of JSON from the holder to the command that asked. */

/** One line of the table. */
export interface Row {
  readonly id: string;
  /** `IPv4`, `IPv6` or nothing where a check covers all families. */
  readonly family: string;
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly ms: number;
  /** What was measured, or why it failed or did not run. */
  readonly detail: string;
  /** Where to look: what the kernel has that it should not have, or lacks. */
  readonly hints: readonly string[];
}

export type Event =
  /** Something has taken another second. */
  | { readonly kind: 'progress'; readonly text: string; readonly seconds: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'row'; readonly row: Row }
  /** The last one. */
  | { readonly kind: 'end'; readonly ok: boolean; readonly value?: unknown };

export type Report = (event: Event) => void;

/** Seconds after which work is mentioned for the first time, and between later mentions. */
const FIRST = 1;
const LATER = 5;

/** Awaits `work`, saying what is being waited for once it takes over a second. */
export async function withProgress<T>(report: Report, text: string, work: Promise<T>): Promise<T> {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds++;
    if (seconds === FIRST || seconds % LATER === 0) report({ kind: 'progress', text, seconds });
  }, 1000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
