/** Leveled log on stderr, one line an event. */

import { writeSync } from 'node:fs';
import { type Fields, formatJson, formatText, LEVELS, type Level, type LogFormat } from './format.ts';

/** A logger of one component. */
export interface Logger {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** A logger of a part: `agent` → `agent.vxlan`. */
  child(part: string): Logger;
}

export interface LoggerOptions {
  readonly level?: Level;
  readonly format?: LogFormat;
  /** Takes whole lines, end included; default: stderr. */
  readonly sink?: (line: string) => void;
  /** Milliseconds since the epoch; default: the system's clock. */
  readonly now?: () => number;
}

/** A logger whose events of at least `level` (default info) reach the sink. */
export function createLogger(component: string, options: LoggerOptions = {}): Logger {
  const { level = 'info', format = 'text', sink = toStderr, now = Date.now } = options;
  const least = LEVELS.indexOf(level);
  const render = format === 'json' ? formatJson : formatText;

  const make = (name: string): Logger => {
    const at =
      (eventLevel: Level) =>
      (message: string, fields: Fields = {}): void => {
        if (LEVELS.indexOf(eventLevel) < least) return;
        sink(`${render({ time: now(), level: eventLevel, component: name, message, fields })}\n`);
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (part) => make(`${name}.${part}`),
    };
  };
  return make(component);
}

/** A logger that says nothing, for tests and callers that do not care. */
export const silentLogger: Logger = createLogger('silent', { sink: () => {} });

// writeSync instead of process.stderr, whose set-up costs milliseconds. A reader that went away must not end a daemon.
function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // Nobody reads the log; there is no better place to say so.
  }
}
