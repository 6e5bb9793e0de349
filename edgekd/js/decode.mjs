// Steps 1 to 3: from a photo's file to upright RGB, with a platform's own decoders where they are exact.
import { decodeBmp } from './bmp.mjs';
import { exifBlock, kindOf } from './containers.mjs';
import { decodePng } from './png.mjs';
import { cmykToRgb, greyToRgb, orientationOf, overWhite, turnUpright } from './preprocess.mjs';

const TO_RGB = { rgb: (image) => image, rgba: overWhite, cmyk: cmykToRgb, grey: greyToRgb };

/**
 * A platform gives `inflate(bytes)` and `decode(bytes, kind)`, which returns { width, height, model, data } with model
 * one of TO_RGB, as stored: not turned, no colour profile applied, not premultiplied.
 */
export async function decode(bytes, platform) {
  const kind = kindOf(bytes);
  let image;
  if (kind === 'png') image = { ...(await decodePng(bytes, platform.inflate)), model: 'rgba' };
  else if (kind === 'bmp') image = { ...decodeBmp(bytes), model: 'rgb' };
  else image = await platform.decode(bytes, kind);
  return turnUpright(TO_RGB[image.model](image), orientationOf(exifBlock(bytes, kind)));
}
