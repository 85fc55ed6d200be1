import { ByteWriter } from '../../netlink/codec/wire.ts';
import { writeOperation } from '../codec/transaction.ts';
import type { Operation } from '../transaction.ts';
import { golden } from './golden.ts';

/** The messages that nft sent for a command, as hexadecimal digits. */
export function captured(command: string): readonly string[] {
  const messages = golden[command];
  if (messages === undefined) throw new Error(`not captured: ${command}`);
  return messages;
}

/** The messages that we send for operations, written like `captured`. */
export function encoded(operations: readonly Operation[]): string[] {
  return operations.map((operation) => {
    const writer = new ByteWriter();
    writeOperation(writer, operation, 1, () => 0);
    return writer.toBytes().toHex();
  });
}
