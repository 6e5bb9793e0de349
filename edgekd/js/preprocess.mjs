// Steps 2 d to 5 of SPECIFICATION.md. Runs anywhere; decodes nothing.
// An image is { width, height, channels, data }, with data a Uint8Array of rows from the top.

/** The version of the specification: that of a model's record must be the same. */
export const SPECIFICATION_VERSION = 1;

/** Step 1: larger photos are refused. */
export function requireSize(width, height) {
  if (width * height > 100_000_000) throw new Error(`${width} x ${height} are more than 100,000,000 pixels`);
}

/** Step 2 d: pixels of 4 channels, the last of them alpha, over white. */
export function overWhite({ width, height, data }) {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; i < data.length; i += 4) {
    const a = data[i + 3];
    for (let c = 0; c < 3; c++) out[o++] = Math.floor((data[i + c] * a + 255 * (255 - a) + 127) / 255);
  }
  return { width, height, channels: 3, data: out };
}

/** Step 2 e: CMYK, 0 for no ink, to RGB. */
export function cmykToRgb({ width, height, data }) {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; i < data.length; i += 4) {
    const n = 255 - data[i + 3];
    for (let c = 0; c < 3; c++) {
      const t = data[i + c] * n + 128;
      out[o++] = n - ((t + (t >> 8)) >> 8);
    }
  }
  return { width, height, channels: 3, data: out };
}

/** Step 2 b: grey in all three channels. */
export function greyToRgb({ width, height, data }) {
  const out = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) out.fill(data[i], 3 * i, 3 * i + 3);
  return { width, height, channels: 3, data: out };
}

/** Step 3: the orientation in a TIFF structure (an Exif block after its "Exif\0\0", or a whole TIFF file); else 1. */
export function orientationOf(block) {
  if (!block || block.length < 8) return 1;
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const mark = view.getUint32(0);
  if (mark !== 0x49492a00 && mark !== 0x4d4d002a) return 1;
  const little = mark === 0x49492a00;
  try {
    const start = view.getUint32(4, little);
    const entries = view.getUint16(start, little);
    for (let i = 0; i < entries; i++) {
      const at = start + 2 + 12 * i;
      const type = view.getUint16(at + 2, little);
      if (view.getUint16(at, little) !== 0x0112 || (type !== 3 && type !== 4)) continue;
      const value = type === 3 ? view.getUint16(at + 8, little) : view.getUint32(at + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

/** Step 3: pixels turned so that the photo stands as it was seen. */
export function turnUpright(image, orientation) {
  if (orientation === 1) return image;
  const { width: W, height: H, data } = image;
  const swapped = orientation >= 5;
  const [width, height] = swapped ? [H, W] : [W, H];
  const flipX = [2, 3, 6, 7].includes(orientation);
  const flipY = [3, 4, 7, 8].includes(orientation);
  const out = new Uint8Array(data.length);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      const u = flipX ? width - 1 - x : x;
      const v = flipY ? height - 1 - y : y;
      const i = 3 * (swapped ? u * W + v : v * W + u);
      out[o] = data[i];
      out[o + 1] = data[i + 1];
      out[o + 2] = data[i + 2];
    }
  }
  return { width, height, channels: 3, data: out };
}

/** Step 4. */
export function cropBox(W, H, { width: w, height: h, crop }) {
  if (crop === 'whole') return { left: 0, top: 0, width: W, height: H };
  let [width, height] = [W, H];
  if (W * h > H * w) width = Math.max(1, Math.floor((H * w) / h));
  else height = Math.max(1, Math.floor((W * h) / w));
  return { left: Math.floor((W - width) / 2), top: Math.floor((H - height) / 2), width, height };
}

/** Step 5 a to d: for every output, its first input and its weights in units of 2 ** -22. */
export function coefficients(n, m) {
  const scale = n / m;
  const support = Math.max(1.0, scale);
  return Array.from({ length: m }, (_, i) => {
    const center = (i + 0.5) * scale;
    const lo = Math.max(0, Math.trunc(center - support + 0.5));
    const hi = Math.min(n, Math.trunc(center + support + 0.5));
    const k = [];
    let sum = 0.0;
    for (let j = 0; j < hi - lo; j++) {
      const x = Math.abs((j + lo - center + 0.5) * (1.0 / support));
      k.push(x < 1.0 ? 1.0 - x : 0.0);
      sum += k[j];
    }
    return { lo, weights: k.map((value) => Math.trunc(0.5 + (value / sum) * 4194304.0)) };
  });
}

/** Step 5 e along one axis: `lines` of `m` outputs from samples `step` apart, the lines `stride` apart. */
function resample(data, out, taps, lines, step, stride, outStep, outStride) {
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < taps.length; i++) {
      const { lo, weights } = taps[i];
      for (let c = 0; c < 3; c++) {
        let total = 2097152; // sums stay below 2 ** 31
        for (let j = 0; j < weights.length; j++) total += data[line * stride + (lo + j) * step + c] * weights[j];
        out[line * outStride + i * outStep + c] = Math.min(255, Math.max(0, total >> 22));
      }
    }
  }
  return out;
}

/** Steps 4 and 5: the input tensor, height x width x 3 bytes, of an upright RGB image, by a record's preprocessing. */
export function toInput(image, preprocessing) {
  const { width: w, height: h, version } = preprocessing;
  if (version !== SPECIFICATION_VERSION) {
    throw new Error(`the model asks for version ${version} of the preprocessing, and this is ${SPECIFICATION_VERSION}`);
  }
  const box = cropBox(image.width, image.height, preprocessing);
  let data = new Uint8Array(box.width * box.height * 3);
  for (let y = 0; y < box.height; y++) {
    const start = 3 * ((box.top + y) * image.width + box.left);
    data.set(image.data.subarray(start, start + 3 * box.width), 3 * y * box.width);
  }
  if (box.width !== w) {
    const taps = coefficients(box.width, w);
    data = resample(data, new Uint8Array(w * box.height * 3), taps, box.height, 3, 3 * box.width, 3, 3 * w);
  }
  if (box.height !== h) {
    const taps = coefficients(box.height, h);
    data = resample(data, new Uint8Array(w * h * 3), taps, w, 3 * w, 3, 3 * w, 3);
  }
  return data;
}
