/* other_onednn_test LIBRARY FOLDER: a program that has another oneDNN of its own, here one whose functions have the
 * same names and do nothing but fail. Loaded as bindings/c/README.md says, the library uses the one that it was built
 * with. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "mathnas.h"

static int calls = 0;

/* Visible to all that is loaded (-rdynamic), as those of a library that the program links. */
int dnnl_engine_create(void** engine, int kind, size_t index);
int dnnl_engine_create(void** engine, int kind, size_t index) {
  (void)engine, (void)kind, (void)index;
  ++calls;
  return 1;
}
int dnnl_stream_create(void** stream, void* engine, unsigned flags);
int dnnl_stream_create(void** stream, void* engine, unsigned flags) {
  (void)stream, (void)engine, (void)flags;
  ++calls;
  return 1;
}

static mathnas_status make_plan(void* library, const char* path) {
  mathnas_status (*open)(const char*, const mathnas_model_options*, mathnas_model*);
  mathnas_status (*plan_create)(mathnas_model, const mathnas_plan_options*, mathnas_plan*);
  void* symbol = dlsym(library, "mathnas_model_open");
  mathnas_model model = NULL;
  mathnas_plan plan = NULL;
  memcpy(&open, &symbol, sizeof(symbol));
  symbol = dlsym(library, "mathnas_plan_create");
  memcpy(&plan_create, &symbol, sizeof(symbol));
  if (open(path, NULL, &model) != MATHNAS_OK) return MATHNAS_INTERNAL;
  return plan_create(model, NULL, &plan);
}

int main(int argc, char** argv) {
  char path[1024];
  void* library;
  mathnas_status status;
  if (argc != 3) return 2;
  snprintf(path, sizeof(path), "%s/network.mathnas", argv[2]);
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  status = make_plan(library, path);
  printf("with RTLD_DEEPBIND: status %d, %d calls of the program's oneDNN\n", (int)status, calls);
  return status == MATHNAS_OK && calls == 0 ? 0 : 1;
}
