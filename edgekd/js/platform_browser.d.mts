import type { Platform } from './index.mjs';

/** A browser's own decoders, asked not to convert colours or to premultiply. It reads no TIFF. */
export const platform: Platform;
