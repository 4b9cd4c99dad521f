/* load_test LIBRARY FOLDER: loading the library changes nothing in the process, and loading, using and unloading it
 * over and over again leaves nothing behind. It does not link the library. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mathnas.h"

enum { kTimes = 1000 };

static int entries_of(const char* folder) {
  DIR* directory = opendir(folder);
  int count = 0;
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  return count;
}

/* Bytes of the process that are in memory. */
static long resident(void) {
  long pages = 0, resident_pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident_pages) != 2) exit(2);
  fclose(file);
  return resident_pages * 4096;
}

static int mappings_of(const char* name) {
  char line[4096];
  int count = 0;
  FILE* file = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof(line), file) != NULL) count += strstr(line, name) != NULL;
  fclose(file);
  return count;
}

/* A data pointer of dlsym as a function pointer, as POSIX says. */
static void find(void* library, const char* name, void* function) {
  void* symbol = dlsym(library, name);
  if (symbol == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
  memcpy(function, &symbol, sizeof(symbol));
}

static void fail(const char* what) {
  fprintf(stderr, "FAILED: %s\n", what);
  exit(1);
}

/* A table and a cancel flag: what needs neither oneDNN nor OpenMP, which keep threads and memory of their own. */
static void use(void* library) {
  mathnas_status (*create)(mathnas_cancel*);
  mathnas_status (*destroy)(mathnas_cancel);
  mathnas_status (*read)(const char*, size_t, mathnas_table*);
  const char* (*last_error)(void);
  mathnas_cancel cancel = NULL;
  mathnas_table table = NULL;
  find(library, "mathnas_cancel_create", &create);
  find(library, "mathnas_cancel_destroy", &destroy);
  find(library, "mathnas_table_read", &read);
  find(library, "mathnas_last_error", &last_error);
  if (create(&cancel) != MATHNAS_OK || destroy(cancel) != MATHNAS_OK) fail("a handle");
  if (read("{}", 2, &table) != MATHNAS_INVALID_ARGUMENT || strstr(last_error(), "memory: ") == NULL) fail("an error");
}

/* One inference: oneDNN, its threads' streams, OpenMP. */
static void run(void* library, const char* folder) {
  mathnas_status (*open)(const char*, const mathnas_model_options*, mathnas_model*);
  mathnas_status (*plan_create)(mathnas_model, const mathnas_plan_options*, mathnas_plan*);
  mathnas_status (*context_create)(mathnas_plan, const mathnas_context_options*, mathnas_context*);
  mathnas_status (*context_run)(mathnas_context);
  mathnas_status (*model_destroy)(mathnas_model);
  mathnas_status (*plan_destroy)(mathnas_plan);
  mathnas_status (*context_destroy)(mathnas_context);
  uint32_t (*live)(void);
  mathnas_model model = NULL;
  mathnas_plan plan = NULL;
  mathnas_context context = NULL;
  char path[1024];
  find(library, "mathnas_model_open", &open);
  find(library, "mathnas_plan_create", &plan_create);
  find(library, "mathnas_context_create", &context_create);
  find(library, "mathnas_context_run", &context_run);
  find(library, "mathnas_model_destroy", &model_destroy);
  find(library, "mathnas_plan_destroy", &plan_destroy);
  find(library, "mathnas_context_destroy", &context_destroy);
  find(library, "mathnas_live_handles", &live);
  snprintf(path, sizeof(path), "%s/network.mathnas", folder);
  if (open(path, NULL, &model) != MATHNAS_OK || plan_create(model, NULL, &plan) != MATHNAS_OK ||
      context_create(plan, NULL, &context) != MATHNAS_OK || context_run(context) != MATHNAS_OK) {
    fail("an inference");
  }
  if (context_destroy(context) != MATHNAS_OK || plan_destroy(plan) != MATHNAS_OK ||
      model_destroy(model) != MATHNAS_OK || live() != 0) {
    fail("the end of an inference");
  }
}

static void* load(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) fail(dlerror());
  return library;
}

int main(int argc, char** argv) {
  struct sigaction before[32], after;
  void* library;
  long settled = 0, end;
  int i, files, threads, unloaded;
  if (argc != 3) return 2;
  files = entries_of("/proc/self/fd");
  threads = entries_of("/proc/self/task");
  for (i = 1; i < 32; ++i) sigaction(i, NULL, &before[i]);
  for (i = 0; i < kTimes; ++i) {
    library = load(argv[1]);
    if (i == 0 && entries_of("/proc/self/task") != threads) fail("loading starts threads");
    if (i == 0 && entries_of("/proc/self/fd") != files) fail("loading opens files");
    use(library);
    if (dlclose(library) != 0) fail(dlerror());
    if (i == kTimes / 10) settled = resident();
  }
  end = resident();
  unloaded = mappings_of("libmathnas.so") == 0;
  printf("%s; resident after %d and %d times: %ld, %ld bytes\n", unloaded ? "unloaded" : "kept", kTimes / 10 + 1,
         kTimes, settled, end);
  if (!unloaded) fail("a library that was only used for tables stays loaded");
  if (end - settled > 256 * 1024) fail("memory grows"); /* below 300 bytes a time */

  library = load(argv[1]);
  for (i = 0; i < kTimes; ++i) {
    run(library, argv[2]);
    if (i == kTimes / 10) settled = resident();
  }
  end = resident();
  printf("resident after %d and %d inferences from file to result: %ld, %ld bytes\n", kTimes / 10 + 1, kTimes, settled,
         end);
  if (end - settled > 1024 * 1024) fail("memory grows by inferences"); /* the heap settles within a few of 100 KB */
  if (dlclose(library) != 0) fail(dlerror());
  for (i = 0; i < 20; ++i) { /* oneDNN was used by this thread, so the library may stay; it must work all the same */
    library = load(argv[1]);
    run(library, argv[2]);
    if (dlclose(library) != 0) fail(dlerror());
  }
  printf("after inferences %s\n", mappings_of("libmathnas.so") == 0 ? "unloaded" : "kept");
  if (entries_of("/proc/self/fd") != files) fail("files are left open");
  for (i = 1; i < 32; ++i) {
    sigaction(i, NULL, &after);
    if (after.sa_handler != before[i].sa_handler) fail("a signal handler was changed");
  }
  return 0;
}
