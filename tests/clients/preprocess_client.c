/* Gives cases from stdin to edgekd_preprocess.h and writes what comes of them to stdout; also compiles as C++.
   A case: ten int32 (width, height, stride, layout, orientation, width and height of the input, crop, times, bytes of
   pixels) and the pixels, exactly as many as the image has. Where the layout is 1000 it is a frame in YUV, and four
   int32 (where U and V begin, their stride and step) stand before its bytes. An answer: int32 status, uint32 bytes of
   scratch, a double of milliseconds for each time, and the tensor where the status is 0. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "edgekd_preprocess.h"

/* The size of a frame's scratch is a constant. */
extern int32_t frame_scratch[EDGEKD_SCRATCH_BYTES(640, 480, 224, 224) / sizeof(int32_t)];

static void require(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "preprocess_client: %s\n", what);
  exit(3);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void write_answer(int32_t status, uint32_t bytes, const double *times, const int32_t *field,
                         const uint8_t *tensor) {
  fwrite(&status, sizeof status, 1, stdout);
  fwrite(&bytes, sizeof bytes, 1, stdout);
  fwrite(times, sizeof *times, (size_t)field[8], stdout);
  if (status == EDGEKD_OK) fwrite(tensor, 1, (size_t)field[5] * (size_t)field[6] * 3, stdout);
}

static void answer_frame(const int32_t *field, const int32_t *chroma, const uint8_t *content) {
  const edgekd_frame frame = {content, content + chroma[0], content + chroma[1], field[2], chroma[2], chroma[3],
                              field[0], field[1], field[4]};
  const edgekd_input input = {field[5], field[6], field[7]};
  const int32_t side = field[0] > field[1] ? field[0] : field[1];
  const uint32_t bytes = (uint32_t)EDGEKD_SCRATCH_BYTES(side, side, field[5], field[6]);
  int32_t *scratch = (int32_t *)malloc(bytes);
  uint8_t *tensor = (uint8_t *)malloc((size_t)field[5] * (size_t)field[6] * 3);
  double *times = (double *)malloc(sizeof(double) * (size_t)field[8]);
  int32_t status = EDGEKD_OK;
  require(scratch && tensor && times, "out of memory");
  for (int32_t i = 0; i < field[8]; ++i) {
    const double start = now_ms();
    status = edgekd_preprocess_frame(&frame, input, scratch, bytes, tensor);
    times[i] = now_ms() - start;
  }
  write_answer(status, bytes, times, field, tensor);
  free(scratch), free(tensor), free(times);
}

static void answer(const int32_t *field, uint8_t *content) {
  const ptrdiff_t last_row = (ptrdiff_t)(field[1] - 1) * field[2];
  uint8_t *top = -last_row > 0 && -last_row < field[9] ? content - last_row : content;
  const edgekd_image image = {field[9] ? top : NULL, field[2], field[0], field[1], field[3], field[4]};
  const edgekd_input input = {field[5], field[6], field[7]};
  const uint32_t bytes = (uint32_t)edgekd_scratch_bytes(&image, input);
  /* Sizes of their own, so that a sanitizer sees each byte beyond them. */
  int32_t *scratch = (int32_t *)malloc(bytes ? bytes : 1);
  const size_t tensor_bytes = bytes ? (size_t)field[5] * (size_t)field[6] * 3 : 0;
  uint8_t *tensor = (uint8_t *)malloc(tensor_bytes ? tensor_bytes : 1);
  double *times = (double *)malloc(sizeof(double) * (size_t)field[8]);
  int32_t status = EDGEKD_OK;
  require(scratch && tensor && times, "out of memory");
  for (int32_t i = 0; i < field[8]; ++i) {
    const double start = now_ms();
    status = edgekd_preprocess(&image, input, scratch, bytes, tensor);
    times[i] = now_ms() - start;
  }
  require((status == EDGEKD_OK) == (bytes != 0), "scratch_bytes and preprocess do not agree");
  if (bytes) {
    const int32_t side = field[0] > field[1] ? field[0] : field[1];
    require(edgekd_preprocess(&image, input, scratch, bytes - 1, tensor) == EDGEKD_SMALL_SCRATCH, "small scratch");
    require(EDGEKD_SCRATCH_BYTES(side, side, field[5], field[6]) >= bytes, "the macro says less than the function");
  }
  write_answer(status, bytes, times, field, tensor);
  free(scratch), free(tensor), free(times);
}

int main(void) {
  int32_t field[10], chroma[4];
  while (fread(field, sizeof field, 1, stdin) == 1) {
    if (field[3] == 1000) require(fread(chroma, sizeof chroma, 1, stdin) == 1, "the strides are cut short");
    uint8_t *content = (uint8_t *)malloc(field[9] ? (size_t)field[9] : 1);
    require(content && fread(content, 1, (size_t)field[9], stdin) == (size_t)field[9], "the pixels are cut short");
    if (field[3] == 1000) answer_frame(field, chroma, content);
    else answer(field, content);
    free(content);
  }
  return fflush(stdout);
}
