import type { Random } from '../testing/random.ts';

/** Characters that change what a text means to somebody. */
const characters = [
  '',
  ' ',
  '\0',
  '\n',
  '/',
  '.',
  ':',
  ',',
  ';',
  '=',
  '-',
  '%',
  '"',
  '\\',
  'é',
  '😀',
  '\ud800',
  '0',
  'A',
  '_',
];

/** Texts that are special somewhere in this project. */
const texts = [
  '',
  '0',
  '-1',
  'null',
  'true',
  '.',
  '..',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  'toString',
  '10.0.0.0/8',
  '10.0.0.1',
  '10.0.0.1/33',
  '010.0.0.1',
  '::',
  '::/0',
  '::1/128',
  '::ffff:1.2.3.4',
  'fe80::1%eth0',
  '0.1.0',
  '0.4.0',
  '1.0.0',
  '1.1.0',
  '1.1',
  '2.0.0',
  'x'.repeat(300),
];

/** The text with one change. */
export function mutateText(text: string, random: Random): string {
  return random.below(3) === 0 ? anotherDigit(text, random) : anything(text, random);
}

/** Another address, length or version often: what keeps the text's form gets past the first look at it. */
function anotherDigit(text: string, random: Random): string {
  const digits = [...text.matchAll(/[0-9]/g)].map(({ index }) => index);
  if (digits.length === 0) return anything(text, random);
  const at = random.pick(digits);
  return text.slice(0, at) + random.below(10) + text.slice(at + 1);
}

function anything(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  switch (random.below(5)) {
    case 0:
      return random.pick(texts);
    case 1:
      return text.slice(0, at) + random.pick(characters) + text.slice(at);
    case 2:
      return text.slice(0, at) + random.pick(characters) + text.slice(at + 1);
    case 3:
      return text.slice(0, at) + text.slice(at + 1 + random.below(3));
    default:
      return text + text;
  }
}
