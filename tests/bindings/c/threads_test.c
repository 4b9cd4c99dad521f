/* Threads: contexts side by side over one plan, and handles that are used and destroyed at the same time. */
#include <pthread.h>

#include "check.h"

enum { kThreads = 4, kRuns = 50, kImages = 5, kPixels = 8 * 8 * 3, kClasses = 10 };

static float* values;
static float* logits;
static mathnas_model shared_model;
static mathnas_plan shared_plan;
static mathnas_context shared_context;
static mathnas_cancel handles[kThreads * kRuns];
static int destroyed_by[kThreads], busy[kThreads], wrong[kThreads];

/* Plans of one network for different batches, made and run by all threads at once. */
static void* make_and_run(void* argument) {
  const int thread = *(int*)argument;
  int run;
  for (run = 0; run < kRuns; ++run) {
    const int image = (thread + run) % kImages;
    mathnas_plan plan = NULL;
    mathnas_context context = NULL;
    mathnas_plan_options options;
    mathnas_bindings bindings;
    float result[kClasses];
    mathnas_plan_options_init(&options, sizeof(options));
    options.batch = 1 + run % 2;
    mathnas_bindings_init(&bindings, sizeof(bindings));
    bindings.rows = 1;
    bindings.input = values + image * kPixels;
    bindings.input_bytes = kPixels * sizeof(float);
    bindings.output = result;
    bindings.output_bytes = sizeof(result);
    wrong[thread] += mathnas_plan_create(shared_model, &options, &plan) != MATHNAS_OK;
    wrong[thread] += mathnas_context_create(plan, NULL, &context) != MATHNAS_OK;
    wrong[thread] += mathnas_context_setup(context, &bindings) != MATHNAS_OK;
    wrong[thread] += mathnas_context_run(context) != MATHNAS_OK;
    wrong[thread] += !close_to(result, logits + image * kClasses, kClasses);
    wrong[thread] += mathnas_context_destroy(context) != MATHNAS_OK || mathnas_plan_destroy(plan) != MATHNAS_OK;
  }
  return NULL;
}

/* One context for all, which is wrong: some calls are refused, and nothing breaks. */
static void* run_shared(void* argument) {
  const int thread = *(int*)argument;
  int run;
  for (run = 0; run < kRuns; ++run) {
    const mathnas_status status = mathnas_context_run(shared_context);
    busy[thread] += status == MATHNAS_BUSY;
    wrong[thread] += status != MATHNAS_BUSY && status != MATHNAS_OK;
    wrong[thread] += status == MATHNAS_BUSY && strstr(mathnas_last_error(), "in use by another thread") == NULL;
  }
  return NULL;
}

/* All threads use and destroy all handles: each handle is destroyed by one of them. */
static void* use_and_destroy(void* argument) {
  const int thread = *(int*)argument;
  int i;
  for (i = 0; i < kThreads * kRuns; ++i) {
    mathnas_status status = mathnas_cancel_set(handles[i], thread);
    wrong[thread] += status != MATHNAS_OK && status != MATHNAS_BAD_HANDLE;
    status = mathnas_cancel_destroy(handles[i]);
    wrong[thread] += status != MATHNAS_OK && status != MATHNAS_BAD_HANDLE;
    destroyed_by[thread] += status == MATHNAS_OK;
    {
      mathnas_cancel other = NULL; /* takes the place of one that is gone */
      wrong[thread] += mathnas_cancel_create(&other) != MATHNAS_OK || mathnas_cancel_destroy(other) != MATHNAS_OK;
    }
  }
  return NULL;
}

/* Runs until another thread has destroyed the context. */
static void* run_until_destroyed(void* argument) {
  mathnas_status status = MATHNAS_OK;
  (void)argument;
  while (status == MATHNAS_OK || status == MATHNAS_BUSY) status = mathnas_context_run(shared_context);
  wrong[0] += status != MATHNAS_BAD_HANDLE;
  return NULL;
}

static void on_all_threads(void* (*run)(void*)) {
  pthread_t threads[kThreads];
  int numbers[kThreads], i;
  for (i = 0; i < kThreads; ++i) {
    numbers[i] = i;
    pthread_create(&threads[i], NULL, run, &numbers[i]);
  }
  for (i = 0; i < kThreads; ++i) {
    pthread_join(threads[i], NULL);
    CHECK(wrong[i] == 0);
  }
}

int main(int argc, char** argv) {
  pthread_t thread;
  int i, sum = 0;
  if (argc != 2) return 2;
  values = read_file(in_folder(argv[1], "values.f32"), NULL);
  logits = read_file(in_folder(argv[1], "logits.f32"), NULL);
  CHECK(mathnas_model_open(in_folder(argv[1], "network.mathnas"), NULL, &shared_model) == MATHNAS_OK);
  CHECK(mathnas_plan_create(shared_model, NULL, &shared_plan) == MATHNAS_OK);
  on_all_threads(make_and_run);

  CHECK(mathnas_context_create(shared_plan, NULL, &shared_context) == MATHNAS_OK);
  on_all_threads(run_shared);

  for (i = 0; i < kThreads * kRuns; ++i) CHECK(mathnas_cancel_create(&handles[i]) == MATHNAS_OK);
  on_all_threads(use_and_destroy);
  for (i = 0; i < kThreads; ++i) sum += destroyed_by[i];
  CHECK(sum == kThreads * kRuns);

  pthread_create(&thread, NULL, run_until_destroyed, NULL);
  CHECK(mathnas_plan_destroy(shared_plan) == MATHNAS_OK && mathnas_model_destroy(shared_model) == MATHNAS_OK);
  CHECK(mathnas_context_destroy(shared_context) == MATHNAS_OK);
  pthread_join(thread, NULL);
  CHECK(wrong[0] == 0);
  free(values);
  free(logits);
  return finish();
}
