/* What the tests of the C interface have in common. They are C99 programs of one argument, the folder of make_files. */
#ifndef MATHNAS_TESTS_BINDINGS_C_CHECK_H_
#define MATHNAS_TESTS_BINDINGS_C_CHECK_H_

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mathnas.h"

static int failures = 0;

/* A macro, so that a failure says where it is. */
#define CHECK(right) check((right) != 0, #right, __FILE__, __LINE__)
static inline void check(int right, const char* what, const char* file, int line) {
  if (right) return;
  ++failures;
  fprintf(stderr, "%s:%d: %s\n  last error: %s\n", file, line, what, mathnas_last_error());
}

/* That a call returned this status, with a text that says this. */
#define CHECK_ERROR(status, expected, text) check_error(status, expected, text, __FILE__, __LINE__)
static inline void check_error(mathnas_status status, mathnas_status expected, const char* text, const char* file,
                               int line) {
  if (status == expected && strstr(mathnas_last_error(), text) != NULL) return;
  ++failures;
  fprintf(stderr, "%s:%d: expected %s and \"%s\", found %s and \"%s\"\n", file, line, mathnas_status_name(expected),
          text, mathnas_status_name(status), mathnas_last_error());
}

static inline const char* in_folder(const char* folder, const char* name) {
  static char paths[8][1024];
  static int next = 0;
  char* path = paths[next++ % 8];
  snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
  return path;
}

/* All of a file, followed by a zero; ends the test if it cannot be read. */
static inline void* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  char* bytes = NULL;
  long length = 0;
  if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (length = ftell(file)) < 0) {
    fprintf(stderr, "%s: cannot be read\n", path);
    exit(1);
  }
  rewind(file);
  bytes = malloc((size_t)length + 1);
  if (bytes == NULL || fread(bytes, 1, (size_t)length, file) != (size_t)length) exit(1);
  bytes[length] = '\0';
  fclose(file);
  if (size != NULL) *size = (size_t)length;
  return bytes;
}

/* Outputs are sums of some 200 products of values near 1, in float: 1e-4 is a hundred roundings. */
static inline int close_to(const float* a, const float* b, int count) {
  int i;
  for (i = 0; i < count; ++i) {
    if (!(fabsf(a[i] - b[i]) <= 1e-4f * (1.0f + fabsf(b[i])))) return 0;
  }
  return 1;
}

static inline int finish(void) {
  CHECK(mathnas_live_handles() == 0);
  if (failures == 0) return 0;
  fprintf(stderr, "%d failures\n", failures);
  return 1;
}

#endif /* MATHNAS_TESTS_BINDINGS_C_CHECK_H_ */
