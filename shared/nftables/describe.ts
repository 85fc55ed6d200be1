import { blockLength } from './codec/element-block.ts';
import type { Operation } from './transaction.ts';

/** An operation in words, near to nft's own: 'add chain inet underpod services'. For error messages. */
export function describe(operation: Operation): string {
  if ('object' in operation) {
    const { verb, object } = operation;
    switch (object.kind) {
      case 'table':
        return `${verb} table ${object.family} ${object.name}`;
      case 'rule':
        return `${verb} rule ${object.family} ${object.table} ${object.chain}`;
      case 'elements': {
        const { family, table, name } = object.set;
        return `${verb} ${object.elements.length} elements of ${family} ${table} ${name}`;
      }
      case 'block': {
        const { family, table, name } = object.set;
        return `${verb} ${blockLength(object)} elements of ${family} ${table} ${name}`;
      }
      default:
        return `${verb} ${object.kind} ${object.family} ${object.table} ${object.name}`;
    }
  }
  const { verb, kind, ref } = operation;
  switch (kind) {
    case 'table':
      return `${verb} table ${ref.family} ${ref.name}`;
    case 'rule':
      return `${verb} rule ${ref.family} ${ref.table} ${ref.chain} handle ${ref.handle}`;
    default:
      return `${verb} ${kind} ${ref.family} ${ref.table} ${ref.name}`;
  }
}
