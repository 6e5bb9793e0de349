// Node's side: zlib, and sharp's libjpeg-turbo, libwebp, libtiff and GIF reader. The app brings sharp, or does without:
// then PNG and BMP are read.
import { inflateSync } from 'node:zlib';

const MODELS = { 1: 'grey', 3: 'rgb', 4: 'rgba' };

/** What `decode` takes in Node; `sharp` is the module of that name, or null. */
export function nodePlatform(sharp) {
  return {
    name: `Node ${process.versions.node}${sharp ? `, sharp ${sharp.versions.sharp}` : ''}`,
    inflate: (bytes) => inflateSync(bytes),
    async decode(bytes, kind) {
      if (!sharp) throw new Error(`unsupported: without sharp no ${kind} is read`);
      const { space } = await sharp(bytes).metadata();
      // Asked for the space that it is stored in, sharp converts nothing.
      const stored = sharp(bytes, { ignoreIcc: true }).pipelineColourspace(space).toColourspace(space);
      const { data, info } = await stored.raw().toBuffer({ resolveWithObject: true });
      const model = space === 'cmyk' ? 'cmyk' : MODELS[info.channels];
      if (!model || info.width * info.height * info.channels !== data.length) throw new Error(`unsupported: ${kind} ${space}`);
      return { width: info.width, height: info.height, model, data: new Uint8Array(data) };
    },
  };
}
