/** A model's input, as its file says it. */
export interface Preprocessing {
  readonly height: number;
  readonly width: number;
  readonly crop: 'whole' | 'center';
  readonly resize: string;
  /** Of the written specification: it must be `SPECIFICATION_VERSION`. */
  readonly version: number;
}

/** How an answer follows from probabilities. */
export interface Decision {
  readonly task: 'single-label' | 'multi-label';
  /** For tags: the least probability of each. */
  readonly thresholds?: readonly number[];
  /** Where the most probable label is below it, none of them is the answer. */
  readonly reject_below?: number;
  /** A label that stands for none of the others. */
  readonly none_label?: string;
}

/** What a file of edgekd says of itself; other keys, such as `provenance`, are for people. */
export interface ModelRecord {
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly decision?: Decision;
  readonly precision: string;
  /** "nchw" where the model takes channels first; the tensor of `preprocess` has them last. */
  readonly layout?: 'nchw';
  /** How bytes of the output become probabilities; null where it gives float32. */
  readonly output_scale: { readonly scale: number; readonly zero_point: number } | null;
}

/** Pixels as they are stored. `a` is not premultiplied, `x` is ignored, and CMYK is 0 for no ink. */
export interface StoredPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
  /** The bytes of a pixel in the order of memory ["rgba", as in a canvas' ImageData]. */
  readonly layout?: 'grey' | 'grey-alpha' | 'rgb' | 'bgr' | 'rgbx' | 'bgrx' | 'rgba' | 'bgra' | 'cmyk';
  /** Bytes from one row to the next [without gaps]. */
  readonly stride?: number;
  /** Exif's, 1 to 8 [1: upright]. */
  readonly orientation?: number;
}

/** Upright RGB: rows from the top, 3 bytes a pixel. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  readonly data: Uint8Array;
}

/** What decodes photos on a platform: `platform` of "./browser", `nodePlatform(sharp)` of "./node", or yours. */
export interface Platform {
  readonly name: string;
  /** Undoes zlib. */
  inflate(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** The pixels of a jpeg, webp, gif or tiff as stored: not turned, no colour profile applied, not premultiplied. */
  decode(
    bytes: Uint8Array,
    kind: 'jpeg' | 'webp' | 'gif' | 'tiff',
  ): Promise<{ width: number; height: number; model: 'rgb' | 'rgba' | 'cmyk' | 'grey'; data: Uint8Array }>;
}

/** The version of the specification that this port follows. */
export const SPECIFICATION_VERSION: number;

/** The record in a .tflite or .onnx of edgekd; throws where the file is damaged or another tool's. */
export function readRecord(model: Uint8Array): ModelRecord;

/** The input tensor, height x width x 3 bytes, of stored pixels. */
export function preprocess(pixels: StoredPixels, preprocessing: Preprocessing): Uint8Array;

/** Stored pixels as upright RGB. */
export function uprightRgb(pixels: StoredPixels): RgbImage;

/** The input tensor of upright RGB. */
export function toInput(image: RgbImage, preprocessing: Preprocessing): Uint8Array;

/** A photo's file as upright RGB. A message that begins with "unsupported: " says what the platform does not read. */
export function decode(photo: Uint8Array, platform: Platform): Promise<RgbImage>;

/** Probabilities of what a runtime gave for one photo: float32 as they are, bytes by the record's scale. */
export function toProbabilities(output: Float32Array | Uint8Array, record: ModelRecord): Float32Array;

/** The labels that are the answer, in their order; none where the photo shows none of them. */
export function decide(
  decision: Decision | undefined,
  probabilities: Float32Array | readonly number[],
  labels: readonly string[],
): string[];

/** Golden vectors that were read again: their number and names of those that could not be tried, differ because the
    platform decodes otherwise, or are wrong. */
export interface GoldenResult {
  readonly count: number;
  readonly unproven: string[];
  readonly inexact: string[];
  readonly wrong: string[];
}

/** Reads a directory of golden vectors again; `read(file)` gives the bytes of a file in it. */
export function checkGolden(read: (file: string) => Promise<Uint8Array>, platform: Platform): Promise<GoldenResult>;
