// From pixels as a camera, a canvas or a decoder stores them to upright RGB: steps 2 b, 2 d, 2 e and 3. Runs anywhere.
import { cmykToRgb, greyToRgb, overWhite, requireSize, toInput, turnUpright } from './preprocess.mjs';

// Bytes of a pixel, and which of them a reader takes, in its order.
const LAYOUTS = {
  grey: { size: 1, order: [0], toRgb: greyToRgb },
  'grey-alpha': { size: 2, order: [0, 0, 0, 1], toRgb: overWhite },
  rgb: { size: 3, order: [0, 1, 2] },
  bgr: { size: 3, order: [2, 1, 0] },
  rgbx: { size: 4, order: [0, 1, 2] },
  bgrx: { size: 4, order: [2, 1, 0] },
  rgba: { size: 4, order: [0, 1, 2, 3], toRgb: overWhite },
  bgra: { size: 4, order: [2, 1, 0, 3], toRgb: overWhite },
  cmyk: { size: 4, order: [0, 1, 2, 3], toRgb: cmykToRgb },
};

/** Rows without gaps, with the channels in the order that the next step takes. */
function pack({ width, height, data, stride }, { size, order }) {
  const out = new Uint8Array(width * height * order.length);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0, i = y * stride; x < width; x++, i += size) {
      for (let c = 0; c < order.length; c++) out[o++] = data[i + order[c]];
    }
  }
  return out;
}

/** Upright RGB, { width, height, channels, data }, of stored pixels. */
export function uprightRgb({ width, height, data, layout = 'rgba', stride, orientation = 1 }) {
  const form = LAYOUTS[layout];
  if (!form) throw new Error(`layout is ${layout}, and must be one of ${Object.keys(LAYOUTS).join(', ')}`);
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new Error(`${width} x ${height} is not the size of a photo`);
  }
  requireSize(width, height);
  const step = stride ?? width * form.size;
  if (step < width * form.size || data.length < step * (height - 1) + width * form.size) {
    throw new Error(`${data.length} bytes, ${step} a row, are too few for ${width} x ${height} of ${layout}`);
  }
  const image = { width, height, channels: form.order.length, data: pack({ width, height, data, stride: step }, form) };
  return turnUpright(form.toRgb ? form.toRgb(image) : image, orientation);
}

/** The input tensor, height x width x 3 bytes, of stored pixels, by a record's preprocessing. */
export function preprocess(pixels, preprocessing) {
  return toInput(uprightRgb(pixels), preprocessing);
}
