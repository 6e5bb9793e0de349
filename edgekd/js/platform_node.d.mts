import type { Platform } from './index.mjs';

/** Node's zlib, and the decoders of the npm package sharp where the app has it: `nodePlatform((await import('sharp')).default)`. */
export function nodePlatform(sharp: unknown): Platform;
