import type { AnyMessageType, Field } from '../../../shared/grpc/wire/schema.ts';
import type { Random } from '../../testing/random.ts';
import { mutateText } from '../mutate-text.ts';

type Values = Record<string, unknown>;

/** Texts that those send who mean harm, or do not know better. */
const TEXTS = [
  ...[
    '',
    '.',
    '..',
    '/',
    '../../x',
    '/etc/passwd',
    'a/../../b',
    'x'.repeat(128),
    'x'.repeat(129),
    'ä'.repeat(65),
    'a\0b',
    '\n',
  ],
  ...[
    'pvc-1',
    'pvc-2',
    'snap-1',
    'group-1',
    'new',
    `x-${'0'.repeat(40)}`,
    'volume.json',
    '-rf',
    '$(id)',
    'loop',
    'thin',
    'xfs',
  ],
  ...['1', '-1', '0', '1Gi', '99999999999999999999', 'true', 'from:', 'from:pvc-1'],
] as const;
const NUMBERS = [-1, 0, 1, 2, 5, 99, 2 ** 31 - 1, -(2 ** 31)];
const SIZES = [
  -1n,
  0n,
  1n,
  4095n,
  4096n,
  4097n,
  1n << 20n,
  1n << 40n,
  1n << 53n,
  (1n << 63n) - 1n,
  -(1n << 63n),
];
const KEYS = [
  ...[
    'pool',
    'backend',
    'provisioning',
    'size',
    'readIOPS',
    'writeBPS',
    'other',
    '__proto__',
    'local.underpod.io/node',
  ],
  ...['ephemeral', 'fstype', 'pod.uid', 'pod.name', 'pvc/name'].map((key) => `csi.storage.k8s.io/${key}`),
];

/** The message with one change somewhere. */
export function mutateMessage(type: AnyMessageType, message: object, random: Random): object {
  const values = { ...(message as Values) };
  if (type.fields.length === 0) return values;
  const field = random.pick(type.fields);
  const changed = mutateField(field, values[field.name], random);
  if (changed === undefined) delete values[field.name];
  else values[field.name] = changed;
  return values;
}

function mutateField(field: Field, value: unknown, random: Random): unknown {
  // Rarely gone altogether: most requests are refused for the want of a field.
  if (random.below(12) === 0) return undefined;
  switch (field.label) {
    case 'map': {
      const entries = Object.entries((value ?? {}) as Values);
      const at = random.below(entries.length + 1);
      const [key = random.pick(KEYS), former] = entries[at] ?? [];
      return Object.fromEntries([
        ...entries.filter((_, n) => n !== at),
        [key, mutateScalar(field, former, random)],
      ]);
    }
    case 'many': {
      const list = [...((value ?? []) as unknown[])];
      const at = random.below(list.length + 1);
      list[at] = mutateOne(field, list[at], random);
      return list;
    }
    default:
      return mutateOne(field, value, random);
  }
}

function mutateOne(field: Field, value: unknown, random: Random): unknown {
  const type = field.type?.();
  if (type) return mutateMessage(type, (value ?? {}) as object, random);
  return mutateScalar(field, value, random);
}

function mutateScalar({ kind, name }: Field, value: unknown, random: Random): unknown {
  switch (kind) {
    case 'bool':
      return !value;
    case 'int64':
    case 'uint64':
      return random.pick(SIZES);
    case 'string': {
      const text = typeof value === 'string' ? value : '';
      // A path keeps its beginning: nothing but what is the test's own is to be asked for.
      if (/path$/i.test(name) && text !== '')
        return `${text}${random.pick(['/x', '/..', '//', '/./y', '\u0000', 'é', '/'.padEnd(300, 'z')])}`;
      return random.below(3) === 0 && text !== '' ? mutateText(text, random) : random.pick(TEXTS);
    }
    case 'bytes':
      return new Uint8Array(random.below(9));
    default:
      return random.pick(NUMBERS);
  }
}
