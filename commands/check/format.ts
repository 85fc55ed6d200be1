/** What `underpod check` prints. Pure. */

import { type Finding, SEVERITIES } from './finding.ts';

const LABELS = { ok: 'ok', notice: 'notice', warning: 'WARNING', error: 'ERROR' } as const;

/** A line a finding, with the advice below; a last line counts. */
export function formatFindings(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, severity, message, advice }) => {
    const head = `${LABELS[severity].padEnd(8)} ${check.padEnd(12)} ${message}`;
    return advice === undefined || severity === 'ok' ? [head] : [head, `${' '.repeat(22)}→ ${advice}`];
  });
  const counts = SEVERITIES.toReversed()
    .map(
      (severity) => [severity, findings.filter((finding) => finding.severity === severity).length] as const,
    )
    .filter(([severity, count]) => count > 0 && severity !== 'ok')
    .map(([severity, count]) => `${count} ${severity}${count > 1 ? 's' : ''}`);
  return `${lines.join('\n')}\n${counts.length > 0 ? counts.join(', ') : 'all is well'}\n`;
}
