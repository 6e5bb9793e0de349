// Node's side: zlib, and sharp's libjpeg-turbo, libwebp, libtiff and GIF reader.
import { inflateSync } from 'node:zlib';
import sharp from 'sharp';

const MODELS = { 1: 'grey', 3: 'rgb', 4: 'rgba' };

export const platform = {
  name: `Node ${process.versions.node}, sharp ${sharp.versions.sharp}`,
  inflate: (bytes) => inflateSync(bytes),
  async decode(bytes, kind) {
    const { space } = await sharp(bytes).metadata();
    // Asked for the space that it is stored in, sharp converts nothing.
    const stored = sharp(bytes, { ignoreIcc: true }).pipelineColourspace(space).toColourspace(space);
    const { data, info } = await stored.raw().toBuffer({ resolveWithObject: true });
    const model = space === 'cmyk' ? 'cmyk' : MODELS[info.channels];
    if (!model || info.width * info.height * info.channels !== data.length) throw new Error(`unsupported: ${kind} ${space}`);
    return { width: info.width, height: info.height, model, data: new Uint8Array(data) };
  },
};
