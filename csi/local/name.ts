/** The driver's name, in domain notation. Pure. */
export const DRIVER_NAME = 'local.underpod.io';
