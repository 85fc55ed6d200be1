/** How a log event becomes a line. Pure. */

/** Levels by rising weight. */
export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

export type LogFormat = 'text' | 'json';

/** What an event carries besides its message; errors are written with their chain of causes. */
export type Fields = Readonly<Record<string, unknown>>;

export interface LogEvent {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly level: Level;
  readonly component: string;
  readonly message: string;
  readonly fields: Fields;
}

/** True for a name that `--log-level` takes. */
export function isLevel(text: string): text is Level {
  return (LEVELS as readonly string[]).includes(text);
}

/** The messages of an error and of its causes, outermost first, each said once. */
export function errorText(error: unknown): string {
  const parts: string[] = [];
  const seen = new Set<unknown>();
  for (
    let at = error;
    at !== undefined && at !== null && !seen.has(at);
    at = (at as { cause?: unknown }).cause
  ) {
    seen.add(at);
    const text = at instanceof Error ? at.message : String(at);
    if (!parts.some((part) => part.includes(text))) parts.push(text);
    if (!(at instanceof Error)) break;
  }
  return parts.join(': ');
}

/** `time level component message key=value …`, values quoted where they would be read wrongly. No line end. */
export function formatText(event: LogEvent): string {
  let line = `${new Date(event.time).toISOString()} ${event.level.padEnd(5)} ${event.component} ${oneLine(event.message)}`;
  for (const key in event.fields) {
    const value = event.fields[key];
    if (value !== undefined) line += ` ${key}=${quote(textOf(value))}`;
  }
  return line;
}

/** One JSON object: time, level, component, message, then the fields. No line end. */
export function formatJson(event: LogEvent): string {
  const fields: Record<string, unknown> = {};
  for (const key in event.fields) fields[key] = event.fields[key];
  return JSON.stringify(
    {
      ...fields,
      time: new Date(event.time).toISOString(),
      level: event.level,
      component: event.component,
      message: event.message,
    },
    jsonValue,
  );
}

function textOf(value: unknown): string {
  if (value instanceof Error) return errorText(value);
  if (typeof value === 'object' && value !== null) return JSON.stringify(value, jsonValue);
  return String(value);
}

function jsonValue(_key: string, value: unknown): unknown {
  if (value instanceof Error) return errorText(value);
  return typeof value === 'bigint' ? value.toString() : value;
}

function oneLine(text: string): string {
  return text.replaceAll('\n', '\\n');
}

function quote(text: string): string {
  return /^[^\s"=\\\p{Cc}]+$/u.test(text) ? text : JSON.stringify(text);
}
