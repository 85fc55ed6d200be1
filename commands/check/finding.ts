/** What a check found. Pure. */

/** `error`: pods cannot talk, or soon will not; `warning`: likely to bite; `notice`: worth knowing. */
export type Severity = 'ok' | 'notice' | 'warning' | 'error';

export interface Finding {
  /** What was looked at: `mtu`, `peers`, … */
  readonly check: string;
  readonly severity: Severity;
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** From harmless to grave. */
export const SEVERITIES: readonly Severity[] = ['ok', 'notice', 'warning', 'error'];

/** Findings of one check. */
export function finder(check: string): (severity: Severity, message: string, advice?: string) => Finding {
  return (severity, message, advice) => ({
    check,
    severity,
    message,
    ...(advice !== undefined && { advice }),
  });
}
