import type { SettingSources } from '../../shared/config/settings.ts';

/** Installing is asked for on the command line alone: neither the environment nor a file has a say. */
export const FLAGS_ONLY: Omit<SettingSources, 'flags'> = {
  environment: {},
  environmentPrefix: '',
  file: {},
  fileName: '',
};
