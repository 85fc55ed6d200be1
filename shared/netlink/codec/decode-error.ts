/**
 * Thrown by every decoder of this folder for bytes that do not have the promised form. Nothing else is thrown for
 * bad input, whatever the bytes are.
 */
export class DecodeError extends Error {
  override readonly name = 'DecodeError';
}
