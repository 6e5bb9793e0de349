/* From decoded pixels to a model's input, byte for byte what edgekd's Python gives: steps 2 b, 2 d, 2 e and 3 to 5 of
   its written specification (SPECIFICATION.md beside golden vectors). C99 or C++11; it allocates nothing, keeps no
   state, and reads the pixels once, row by row, so that a camera's buffer is taken as it is. Decoding is the caller's.

     static int32_t scratch[EDGEKD_SCRATCH_BYTES(640, 480, 224, 224) / sizeof(int32_t)];
     edgekd_image frame = {pixels, 640 * 4, 640, 480, EDGEKD_BGRX, 1};
     edgekd_input input = {224, 224, EDGEKD_CENTER};
     int status = edgekd_preprocess(&frame, input, scratch, sizeof scratch, tensor);  (uint8_t tensor[224 * 224 * 3]) */
#ifndef EDGEKD_PREPROCESS_H
#define EDGEKD_PREPROCESS_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>

/* The version of the specification: "version" in a model's record and in SPECIFICATION.md must be the same. */
#define EDGEKD_SPECIFICATION_VERSION 1
/* The version of the specification of frames in YUV (edgekd/frames.py). */
#define EDGEKD_FRAME_SPECIFICATION_VERSION 1

#if DBL_MANT_DIG != 53 || FLT_EVAL_METHOD == 2 || FLT_EVAL_METHOD < 0
#error "edgekd needs IEEE doubles (64 bits, rounded at each step): on x87 use -msse2 -mfpmath=sse"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(_M_FP_FAST)
#error "edgekd's bytes would differ with -ffast-math or /fp:fast: compile this file without"
#endif

/* The part of a photo that a model sees: all of it, or the largest centred box. */
enum { EDGEKD_WHOLE, EDGEKD_CENTER };
/* The bytes of a pixel in the order of memory: A is not premultiplied, X is ignored, and CMYK is 0 for no ink (a JPEG
   stores 255 minus each). */
enum {
  EDGEKD_GREY, EDGEKD_GREY_ALPHA, EDGEKD_RGB, EDGEKD_BGR, EDGEKD_RGBA, EDGEKD_BGRA, EDGEKD_RGBX, EDGEKD_BGRX,
  EDGEKD_CMYK
};
/* What edgekd_preprocess returns. */
enum { EDGEKD_OK, EDGEKD_BAD_IMAGE, EDGEKD_BAD_INPUT, EDGEKD_SMALL_SCRATCH };

typedef struct {
  const uint8_t *pixels; /* the first byte of the top row, as the rows are stored */
  ptrdiff_t stride;      /* bytes from one row to the next; negative where they are stored from the bottom */
  int32_t width, height; /* as stored, at most 100,000,000 pixels */
  int32_t layout;        /* EDGEKD_RGB, ... */
  int32_t orientation;   /* Exif's, 1 to 8; any other value is taken as 1 */
} edgekd_image;

/* A camera's frame in YUV 4:2:0 of full range BT.601: NV12, NV21, I420 or any planes with strides. U and V have
   (width + 1) / 2 x (height + 1) / 2 samples. */
typedef struct {
  const uint8_t *y, *u, *v;     /* the first sample of each plane */
  ptrdiff_t y_stride, uv_stride; /* bytes from one row to the next */
  ptrdiff_t uv_step;             /* bytes from one sample of U, and of V, to the next: 1, or 2 in NV12 and NV21 */
  int32_t width, height;         /* as stored, at most 100,000,000 pixels */
  int32_t orientation;           /* Exif's: 1, 6, 3 or 8 where 0, 90, 180 or 270 degrees clockwise turn it upright */
} edgekd_frame;

typedef struct {
  int32_t width, height; /* 1 to 8192 */
  int32_t crop;          /* EDGEKD_WHOLE or EDGEKD_CENTER */
} edgekd_input;

/* Enough scratch for every upright photo of up to W x H and an input of w x h, as a constant. */
#define EDGEKD_TAPS(n, m) (2 * (uint64_t)((n) > (m) ? ((n) - 1) / (m) + 1 : 1) + 1)
#define EDGEKD_SCRATCH_BYTES(W, H, w, h) \
  (sizeof(int32_t) * ((uint64_t)(w) * (EDGEKD_TAPS(W, w) + 5) + EDGEKD_TAPS(H, h) + \
                      ((uint64_t)(w) * EDGEKD_TAPS(H, h) + (uint64_t)(W)) * 3 / 4 + 3))

/* What is seen of an image: steps over its memory that go right and down in the upright box, whose first pixel is
   stored in column x of row y; with a frame's planes where it is one. */
typedef struct {
  const uint8_t *start;
  ptrdiff_t right, down;
  int32_t width, height, x, y, step_x, step_y, swapped;
  int32_t layout;
  const edgekd_frame *frame;
} edgekd_view;

/* Bytes of a pixel, and which of them is red, green, blue and alpha (-1: none). */
static const int8_t edgekd_layouts[9][5] = {{1, 0, 0, 0, -1}, {2, 0, 0, 0, 1}, {3, 0, 1, 2, -1},
                                            {3, 2, 1, 0, -1}, {4, 0, 1, 2, 3}, {4, 2, 1, 0, 3},
                                            {4, 0, 1, 2, -1}, {4, 2, 1, 0, -1}, {4, 0, 1, 2, -1}};

/* Steps 3 and 4. */
static inline int edgekd_find_view(const edgekd_image *image, edgekd_input input, edgekd_view *view) {
  const int32_t exif = image->orientation;
  const int swapped = exif >= 5 && exif <= 8;
  const int flip_x = exif == 2 || exif == 3 || exif == 6 || exif == 7;
  const int flip_y = exif == 3 || exif == 4 || exif == 7 || exif == 8;
  const int32_t width = swapped ? image->height : image->width, height = swapped ? image->width : image->height;
  int64_t box_width = width, box_height = height, left, top;
  ptrdiff_t pixel, most;
  if (!image->pixels || width < 1 || height < 1 || (int64_t)width * height > 100000000) return EDGEKD_BAD_IMAGE;
  if (image->layout < EDGEKD_GREY || image->layout > EDGEKD_CMYK) return EDGEKD_BAD_IMAGE;
  pixel = edgekd_layouts[image->layout][0];
  most = PTRDIFF_MAX / image->height;
  if (image->stride > most || image->stride < -most || pixel > most / image->width) return EDGEKD_BAD_IMAGE;
  if ((image->stride < 0 ? -image->stride : image->stride) < pixel * image->width) return EDGEKD_BAD_IMAGE;
  if (input.width < 1 || input.width > 8192 || input.height < 1 || input.height > 8192) return EDGEKD_BAD_INPUT;
  if (input.crop == EDGEKD_CENTER && box_width * input.height > box_height * input.width) {
    box_width = box_height * input.width / input.height;
    if (box_width < 1) box_width = 1;
  } else if (input.crop == EDGEKD_CENTER) {
    box_height = box_width * input.height / input.width;
    if (box_height < 1) box_height = 1;
  } else if (input.crop != EDGEKD_WHOLE) {
    return EDGEKD_BAD_INPUT;
  }
  left = (width - box_width) / 2, top = (height - box_height) / 2;
  if (flip_x) left = width - 1 - left;
  if (flip_y) top = height - 1 - top;
  view->x = (int32_t)(swapped ? top : left), view->y = (int32_t)(swapped ? left : top);
  view->step_x = flip_x ? -1 : 1, view->step_y = flip_y ? -1 : 1, view->swapped = swapped;
  view->layout = image->layout, view->frame = NULL;
  view->right = swapped ? image->stride : pixel, view->down = swapped ? pixel : image->stride;
  view->start = image->pixels + (ptrdiff_t)left * view->right + (ptrdiff_t)top * view->down;
  if (flip_x) view->right = -view->right;
  if (flip_y) view->down = -view->down;
  view->width = (int32_t)box_width, view->height = (int32_t)box_height;
  return EDGEKD_OK;
}

/* Step 2 b, 2 d and 2 e of a row. */
static inline void edgekd_read_row(const uint8_t *row, ptrdiff_t right, int32_t width, int32_t layout, uint8_t *rgb) {
  const int8_t *place = edgekd_layouts[layout];
  for (int32_t x = 0; x < width; ++x) {
    const uint8_t *pixel = row + x * right;
    const uint32_t alpha = place[4] < 0 ? 255u : pixel[place[4]], ink = layout == EDGEKD_CMYK ? 255u - pixel[3] : 0;
    for (int c = 0; c < 3; ++c) {
      const uint32_t value = pixel[place[1 + c]], t = value * ink + 128;
      if (layout == EDGEKD_CMYK) *rgb++ = (uint8_t)(ink - ((t + (t >> 8)) >> 8));
      else *rgb++ = (uint8_t)(alpha == 255 ? value : (value * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
}

static inline uint8_t edgekd_clip(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

/* A shift that rounds down, of negative numbers too, which C leaves to the compiler. */
static inline int32_t edgekd_shift16(int32_t value) {
  return value < 0 ? -((65535 - value) >> 16) : value >> 16;
}

/* Steps F1 and F2 of a row of the upright box. */
static inline void edgekd_read_frame_row(const edgekd_view *view, int32_t row, uint8_t *rgb) {
  const edgekd_frame *frame = view->frame;
  const uint8_t *luma = view->start + row * view->down;
  int32_t x = view->x, y = view->y;
  if (view->swapped) x += row * view->step_y;
  else y += row * view->step_y;
  for (int32_t i = 0; i < view->width; ++i, luma += view->right) {
    const ptrdiff_t place = (y >> 1) * frame->uv_stride + (x >> 1) * frame->uv_step;
    const int32_t d = frame->u[place] - 128, e = frame->v[place] - 128;
    *rgb++ = edgekd_clip(*luma + edgekd_shift16(91881 * e + 32768));
    *rgb++ = edgekd_clip(*luma + edgekd_shift16(-22554 * d - 46802 * e + 32768));
    *rgb++ = edgekd_clip(*luma + edgekd_shift16(116130 * d + 32768));
    if (view->swapped) y += view->step_x;
    else x += view->step_x;
  }
}

/* Step 5 a to d for output i of an axis from n samples to m: taps[0] is the first input, taps[1] the number of weights
   that follow. A product is volatile where a compiler could otherwise fuse it with a sum, which rounds differently. */
static inline void edgekd_compute_weights(int32_t n, int32_t m, int32_t i, int32_t *taps) {
  const double scale = (double)n / m, support = scale > 1.0 ? scale : 1.0, inverse = 1.0 / support;
  const volatile double center_of_output = (i + 0.5) * scale;
  const double center = center_of_output, low = center - support + 0.5, high = center + support + 0.5;
  const int32_t first = low > 0.0 ? (int32_t)low : 0, end = high < n ? (int32_t)high : n;
  double sum = 0.0;
  taps[0] = first, taps[1] = end - first;
  for (int pass = 0; pass < 2; ++pass) {
    for (int32_t j = 0; j < end - first; ++j) {
      const volatile double product = ((double)(j + first) - center + 0.5) * inverse;
      const double x = product < 0.0 ? -product : product, k = x < 1.0 ? 1.0 - x : 0.0;
      if (pass == 0) sum += k;
      else taps[2 + j] = (int32_t)(0.5 + k / sum * 4194304.0);
    }
  }
}

static inline uint8_t edgekd_to_byte(int32_t sum) { return (uint8_t)(sum >> 22 > 255 ? 255 : sum >> 22); }

/* Bytes of scratch that edgekd_preprocess needs for this image and input; 0 where it would refuse them. */
static inline size_t edgekd_scratch_bytes(const edgekd_image *image, edgekd_input input) {
  edgekd_view view = {NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL};
  uint64_t bytes;
  if (edgekd_find_view(image, input, &view) != EDGEKD_OK) return 0;
  bytes = EDGEKD_SCRATCH_BYTES(view.width, view.height, input.width, input.height);
  return bytes > SIZE_MAX ? 0 : (size_t)bytes;
}

/* Step 5 of what is seen, into out; scratch is large enough. */
static inline void edgekd_shrink(const edgekd_view *seen, edgekd_input input, int32_t *scratch, uint8_t *out) {
  const edgekd_view view = *seen;
  const size_t row_bytes = 3 * (size_t)input.width, across_taps = (size_t)EDGEKD_TAPS(view.width, input.width) + 2;
  const int32_t kept_rows = (int32_t)EDGEKD_TAPS(view.height, input.height);
  /* Weights of every column, of one output row, its sums, as many narrow rows as one output row needs, one wide row. */
  int32_t *across = scratch, *along = across + across_taps * (size_t)input.width, *sums = along + kept_rows + 2;
  uint8_t *kept = (uint8_t *)(sums + row_bytes), *wide = kept + (size_t)kept_rows * row_bytes;
  int32_t next = 0;
  for (int32_t i = 0; i < input.width; ++i) {
    edgekd_compute_weights(view.width, input.width, i, across + (size_t)i * across_taps);
  }
  for (int32_t i = 0; i < input.height; ++i, out += row_bytes) {
    edgekd_compute_weights(view.height, input.height, i, along);
    for (; next < along[0] + along[1]; ++next) {
      const uint8_t *row = view.start + next * view.down;
      ptrdiff_t right = view.right;
      uint8_t *narrow = kept + (size_t)(next % kept_rows) * row_bytes;
      if (view.frame) edgekd_read_frame_row(&view, next, wide);
      else if (view.layout != EDGEKD_RGB) edgekd_read_row(row, right, view.width, view.layout, wide);
      if (view.frame || view.layout != EDGEKD_RGB) row = wide, right = 3;
      for (const int32_t *taps = across; taps != along; taps += across_taps) {
        int32_t red = INT32_C(1) << 21, green = red, blue = red;
        for (int32_t j = 0; j < taps[1]; ++j) {
          const uint8_t *pixel = row + (taps[0] + j) * right;
          red += pixel[0] * taps[2 + j], green += pixel[1] * taps[2 + j], blue += pixel[2] * taps[2 + j];
        }
        *narrow++ = edgekd_to_byte(red), *narrow++ = edgekd_to_byte(green), *narrow++ = edgekd_to_byte(blue);
      }
    }
    for (size_t x = 0; x < row_bytes; ++x) sums[x] = INT32_C(1) << 21;
    for (int32_t j = 0; j < along[1]; ++j) {
      const uint8_t *row = kept + (size_t)((along[0] + j) % kept_rows) * row_bytes;
      const int32_t weight = along[2 + j];
      for (size_t x = 0; x < row_bytes; ++x) sums[x] += row[x] * weight;
    }
    for (size_t x = 0; x < row_bytes; ++x) out[x] = edgekd_to_byte(sums[x]);
  }
}

/* The input tensor, uint8 RGB [input.height][input.width][3], into out. */
static inline int edgekd_preprocess(const edgekd_image *image, edgekd_input input, int32_t *scratch,
                                    size_t scratch_bytes, uint8_t *out) {
  edgekd_view view = {NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL};
  const int status = edgekd_find_view(image, input, &view);
  const size_t needed_bytes = edgekd_scratch_bytes(image, input);
  if (status != EDGEKD_OK) return status;
  if (needed_bytes == 0 || needed_bytes > scratch_bytes) return EDGEKD_SMALL_SCRATCH;
  edgekd_shrink(&view, input, scratch, out);
  return EDGEKD_OK;
}

/* The same of a frame in YUV; its scratch is that of an image of its size. */
static inline int edgekd_preprocess_frame(const edgekd_frame *frame, edgekd_input input, int32_t *scratch,
                                          size_t scratch_bytes, uint8_t *out) {
  const edgekd_image luma = {frame->y, frame->y_stride, frame->width, frame->height, EDGEKD_GREY, frame->orientation};
  ptrdiff_t columns, rows;
  edgekd_view view = {NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL};
  const int status = edgekd_find_view(&luma, input, &view);
  const size_t needed_bytes = edgekd_scratch_bytes(&luma, input);
  if (status != EDGEKD_OK) return status;
  columns = (frame->width + 1) / 2, rows = (frame->height + 1) / 2;
  if (!frame->u || !frame->v || frame->uv_step < 1 || frame->uv_step > PTRDIFF_MAX / columns ||
      frame->uv_stride < (columns - 1) * frame->uv_step + 1 || frame->uv_stride > PTRDIFF_MAX / rows) {
    return EDGEKD_BAD_IMAGE;
  }
  if (needed_bytes == 0 || needed_bytes > scratch_bytes) return EDGEKD_SMALL_SCRATCH;
  view.frame = frame;
  edgekd_shrink(&view, input, scratch, out);
  return EDGEKD_OK;
}

#endif
