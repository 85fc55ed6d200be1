import type { Register } from '../model/expression.ts';
import { NotModelled } from './fields.ts';

/** enum nft_registers of linux/netfilter/nf_tables.h: the first of the registers with 32 bits. */
const NFT_REG32_00 = 8;

/** NFT_REG_VERDICT. */
export const VERDICT_REGISTER = 0;

/**
 * The kernel's number of a register. A register that starts a block of sixteen bytes goes by its old name, NFT_REG_1
 * to NFT_REG_4, which is also how the kernel lists it.
 */
export function registerNumber(register: Register): number {
  return register % 4 === 0 ? 1 + register / 4 : NFT_REG32_00 + register;
}

/** The word that a register starts at. @throws NotModelled for the verdict register and numbers beyond the last */
export function registerOf(number: number): Register {
  if (number >= 1 && number <= 4) return (number - 1) * 4;
  if (number >= NFT_REG32_00 && number < NFT_REG32_00 + 16) return number - NFT_REG32_00;
  throw new NotModelled(`register ${number}`);
}

export function optionalRegisterOf(number: number | undefined): Register | undefined {
  return number === undefined ? undefined : registerOf(number);
}
