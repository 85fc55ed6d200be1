/**
 * Regular expressions as Go writes them (RE2, github.com/google/re2/wiki/Syntax), for settings that flanneld has: what the
 * two languages write in different ways is translated; what they both have stays as it is. Pure.
 */

/** Flags at the start that JavaScript has by the same letters. */
const LEADING_FLAGS = /^\(\?([ims]+)\)/;

/** Classes within brackets (RE2's ASCII classes). */
const CLASSES: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/** Ends and starts of the text, which JavaScript's `^` and `$` are without the flag m. */
const ANCHORS: Readonly<Record<string, string>> = { '\\A': '(?<![\\s\\S])', '\\z': '(?![\\s\\S])' };

/** @throws SyntaxError for what is neither, or is beyond JavaScript */
export function goRegExp(text: string): RegExp {
  const flags = LEADING_FLAGS.exec(text)?.[1] ?? '';
  const body = text
    .replace(LEADING_FLAGS, '')
    .replaceAll('(?P<', '(?<')
    // An escaped backslash is one, and what comes after it no escape.
    .replace(/\\[\s\S]/g, (pair) => ANCHORS[pair] ?? pair)
    .replace(/\[:(\w+):\]/g, (whole, name: string) => CLASSES[name] ?? whole);
  return new RegExp(body, [...new Set(flags)].join(''));
}
