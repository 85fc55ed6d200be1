/**
 * The node's list of parameters that may be set: a regular expression a line, in the syntax of Go (RE2), of which one
 * must match some part of the name as the configuration has it. Pure.
 *
 * What means the same here is taken as it is, what is written otherwise is rewritten, and what would silently mean
 * something else is refused, so that the list never allows more than its author wrote.
 */

import { invalidConfig } from '../../protocol/error.ts';

/** Reads the list. @param path its name for messages @throws CniError code 7 naming a line that is no expression */
export function parseAllowList(text: string, path: string): (key: string) => boolean {
  const patterns: RegExp[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line !== '') patterns.push(compile(line, path));
  }
  return (key) => {
    for (const pattern of patterns) if (pattern.test(key)) return true;
    return false;
  };
}

function compile(line: string, path: string): RegExp {
  try {
    const [, flags = '', rest = ''] = /^(?:\(\?([ims]+)\))?([\s\S]*)$/.exec(line) ?? [];
    return new RegExp(translate(rest), flags);
  } catch (cause) {
    throw invalidConfig(`${path} has ${JSON.stringify(line)}, which cannot be used as a regular expression`, {
      details: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}

/** Letters behind a backslash that mean in RE2 what they mean in JavaScript. */
const sameEscapes = 'dDwWsSbBnrtfvx';

/** Escapes that are written otherwise. */
const escapes: Readonly<Record<string, string>> = { A: '(?<![\\s\\S])', z: '(?![\\s\\S])', a: '\\x07' };

/** Named classes of ASCII, written `[[:alpha:]]`. */
const classes: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  digit: '0-9',
  lower: 'a-z',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\s',
  upper: 'A-Z',
  word: '\\w',
  xdigit: '0-9A-Fa-f',
};

/** An expression of RE2 as one of JavaScript. Throws for what has no counterpart. */
function translate(text: string): string {
  let out = '';
  let inClass = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    const rest = text.slice(at);
    if (char === '\\') {
      if (rest.startsWith('\\x{')) throw new Error('\\x{ is not supported here');
      out += translateEscape(text[++at] ?? '', inClass);
    } else if (inClass) {
      const named = /^\[:(\w+):\]/.exec(rest);
      if (named) {
        out += namedClass(named[1] ?? '');
        at += named[0].length - 1;
      } else {
        inClass = char !== ']';
        out += char === '[' ? '\\[' : char;
      }
    } else if (char === '[') {
      inClass = true;
      const opening = /^\[\^?\]?/.exec(rest)?.[0] ?? char;
      // A bracket that comes first is one of the class.
      out += opening.replace(']', '\\]');
      at += opening.length - 1;
    } else if (rest.startsWith('(?')) {
      const opening = /^\(\?(?::|P?<[A-Za-z_]\w*>)/.exec(rest)?.[0];
      if (opening === undefined) throw new Error(`${rest.slice(0, 4)} is not supported here`);
      out += opening.replace('P<', '<');
      at += opening.length - 1;
    } else out += char;
  }
  return out;
}

function translateEscape(char: string, inClass: boolean): string {
  if (char !== '' && sameEscapes.includes(char)) return `\\${char}`;
  const other = inClass ? undefined : escapes[char];
  if (other !== undefined) return other;
  if (char === '' || /[0-9A-Za-z]/.test(char)) throw new Error(`\\${char} is not supported here`);
  return `\\${char}`;
}

function namedClass(name: string): string {
  const members = Object.hasOwn(classes, name) ? classes[name] : undefined;
  if (members === undefined) throw new Error(`[:${name}:] is not supported here`);
  return members;
}
