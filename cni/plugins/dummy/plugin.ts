/**
 * Type `dummy`: an interface that leads nowhere, for addresses that only the container's own programs use.
 *
 * Keys, as upstream's: `ipam`, which is needed.
 */

import type { Plugin } from '../../protocol/plugin.ts';
import { asPlugin } from '../common/as-plugin.ts';
import { deviceDelegate } from '../common/device/device-delegate.ts';
import { about, dummyAttaching } from './attach.ts';
import { dummyType } from './config.ts';

export const plugin: Plugin = asPlugin('dummy', about, deviceDelegate(dummyType, dummyAttaching));
