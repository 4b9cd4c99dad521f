/* Runs on threads of the caller's: parts of a batch in a pool that counts, and no team of OpenMP beside it. */
#include <dirent.h>
#include <pthread.h>

#include "check.h"

enum { kWorkers = 2, kMostRows = 8, kImages = 5, kPixels = 8 * 8 * 3, kClasses = 10 };

/* Two threads, which take the tasks of one call after the other, from the last to the first. Called on one of them, it
 * runs the tasks there. */
struct pool {
  pthread_t workers[kWorkers];
  pthread_mutex_t call, mutex; /* one call at a time; what follows */
  pthread_cond_t work, done;
  int stop, calls, tasks, nested, by_worker[kWorkers];
  int64_t left, running; /* tasks of the present call */
  mathnas_task task;
  void* argument;
};

static int worker_of(const struct pool* pool) {
  int i;
  for (i = 0; i < kWorkers; ++i) {
    if (pthread_equal(pool->workers[i], pthread_self())) return i;
  }
  return -1;
}

static void* work(void* user) {
  struct pool* pool = user;
  int worker;
  pthread_mutex_lock(&pool->mutex);
  worker = worker_of(pool);
  while (!pool->stop) {
    if (pool->left == 0) {
      pthread_cond_wait(&pool->work, &pool->mutex);
      continue;
    }
    {
      const int64_t index = --pool->left;
      ++pool->running;
      ++pool->tasks;
      ++pool->by_worker[worker];
      pthread_mutex_unlock(&pool->mutex);
      pool->task(pool->argument, index);
      pthread_mutex_lock(&pool->mutex);
    }
    if (--pool->running == 0 && pool->left == 0) pthread_cond_signal(&pool->done);
  }
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

static void in_pool(void* user, int64_t count, mathnas_task task, void* argument) {
  struct pool* pool = user;
  CHECK(count >= 2);
  if (worker_of(pool) >= 0) {
    pthread_mutex_lock(&pool->mutex);
    ++pool->nested;
    pthread_mutex_unlock(&pool->mutex);
    while (count > 0) task(argument, --count);
    return;
  }
  pthread_mutex_lock(&pool->call);
  pthread_mutex_lock(&pool->mutex);
  ++pool->calls;
  pool->task = task;
  pool->argument = argument;
  pool->left = count;
  pthread_cond_broadcast(&pool->work);
  while (pool->left > 0 || pool->running > 0) pthread_cond_wait(&pool->done, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
  pthread_mutex_unlock(&pool->call);
}

static void start(struct pool* pool) {
  int i;
  memset(pool, 0, sizeof(*pool));
  pthread_mutex_init(&pool->call, NULL);
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->work, NULL);
  pthread_cond_init(&pool->done, NULL);
  pthread_mutex_lock(&pool->mutex); /* until all workers are known */
  for (i = 0; i < kWorkers; ++i) pthread_create(&pool->workers[i], NULL, work, pool);
  pthread_mutex_unlock(&pool->mutex);
}

static void end(struct pool* pool) {
  int i;
  pthread_mutex_lock(&pool->mutex);
  pool->stop = 1;
  pthread_cond_broadcast(&pool->work);
  pthread_mutex_unlock(&pool->mutex);
  for (i = 0; i < kWorkers; ++i) pthread_join(pool->workers[i], NULL);
}

/* Threads of this process. */
static int thread_count(void) {
  DIR* tasks = opendir("/proc/self/task");
  int count = 0;
  CHECK(tasks != NULL);
  while (tasks != NULL && readdir(tasks) != NULL) ++count;
  if (tasks != NULL) closedir(tasks);
  return count - 2; /* . and .. */
}

static const char* folder;
static float *values, *logits; /* kMostRows rows, of the images in turns */
static uint8_t* pixels;

static mathnas_model_options options_of(int32_t device, int32_t threads, mathnas_parallel_for parallel_for,
                                        void* user) {
  mathnas_model_options options;
  CHECK(mathnas_model_options_init(&options, sizeof(options)) == MATHNAS_OK);
  options.device = device;
  options.threads = threads;
  options.parallel_for = parallel_for;
  options.parallel_user = user;
  return options;
}

struct network {
  mathnas_model model;
  mathnas_plan plan;
  mathnas_context context;
};

static struct network open_network(const mathnas_model_options* options, int64_t batch) {
  struct network n;
  mathnas_plan_options plan;
  mathnas_plan_options_init(&plan, sizeof(plan));
  plan.batch = batch;
  CHECK(mathnas_model_open(in_folder(folder, "network.mathnas"), options, &n.model) == MATHNAS_OK);
  CHECK(mathnas_plan_create(n.model, &plan, &n.plan) == MATHNAS_OK);
  CHECK(mathnas_context_create(n.plan, NULL, &n.context) == MATHNAS_OK);
  return n;
}

static void close_network(const struct network* n) {
  CHECK(mathnas_context_destroy(n->context) == MATHNAS_OK && mathnas_plan_destroy(n->plan) == MATHNAS_OK);
  CHECK(mathnas_model_destroy(n->model) == MATHNAS_OK);
}

/* Of values, or of pixels. */
static mathnas_status run_rows(mathnas_context context, int64_t rows, int of_pixels, float* result) {
  mathnas_bindings bindings;
  CHECK(mathnas_bindings_init(&bindings, sizeof(bindings)) == MATHNAS_OK);
  bindings.rows = rows;
  bindings.input_type = of_pixels ? MATHNAS_U8 : MATHNAS_F32;
  bindings.input = of_pixels ? (const void*)pixels : (const void*)values;
  bindings.input_bytes = (uint64_t)rows * kPixels * (of_pixels ? 1 : sizeof(float));
  bindings.output = result;
  bindings.output_bytes = (uint64_t)rows * kClasses * sizeof(float);
  CHECK(mathnas_context_setup(context, &bindings) == MATHNAS_OK);
  return mathnas_context_run(context);
}

/* The parts of a batch: how many tasks, on whose threads, and whether the rows are what they were without parts. */
static void test_batch(struct pool* pool, int32_t device, int64_t batch, int32_t threads, int parts) {
  const mathnas_model_options divided = options_of(device, threads, in_pool, pool), whole = options_of(device, 1, 0, 0);
  const struct network n = open_network(&divided, batch), one = open_network(&whole, batch);
  const int threads_before = thread_count();
  float expected[kMostRows * kClasses], result[kMostRows * kClasses];
  int64_t rows;
  int of_pixels;
  for (of_pixels = 0; of_pixels < 2; ++of_pixels) {
    for (rows = batch; rows >= 1; --rows) {
      const int bytes = (int)rows * kClasses * (int)sizeof(float), calls = pool->calls, tasks = pool->tasks;
      memset(result, 0x5a, sizeof(result));
      memset(expected, 0x5a, sizeof(expected));
      CHECK(run_rows(n.context, rows, of_pixels, result) == MATHNAS_OK);
      CHECK(run_rows(one.context, rows, of_pixels, expected) == MATHNAS_OK);
      CHECK(close_to(result, logits, (int)rows * kClasses));
      /* The loops of the reference do not depend on the batch, kernels of oneDNN may. */
      if (device == MATHNAS_REFERENCE) CHECK(memcmp(result, expected, (size_t)bytes) == 0);
      CHECK(memcmp((char*)result + bytes, (char*)expected + bytes, sizeof(result) - (size_t)bytes) == 0);
      if (rows == batch) {
        CHECK(pool->calls == calls + (parts > 1) && pool->tasks == tasks + (parts > 1 ? parts : 0));
      } else if (rows == 1) {
        CHECK(pool->calls == calls); /* parts without rows do not run, and a single one needs no pool */
      }
    }
  }
  CHECK(thread_count() == threads_before);
  close_network(&n);
  close_network(&one);
}

/* The context's own memory, that of the caller, and output over input. */
static void test_memory(struct pool* pool) {
  const mathnas_model_options options = options_of(MATHNAS_CPU, 2, in_pool, pool);
  const struct network n = open_network(&options, 3);
  mathnas_context_options context_options;
  mathnas_plan_memory memory;
  mathnas_tensor tensor;
  mathnas_bindings bindings;
  mathnas_context other = NULL;
  const char* text = NULL;
  float *input = NULL, *output = NULL, both[3 * kPixels];
  void* workspace = NULL;
  CHECK(mathnas_context_memory(n.context, &input, &output) == MATHNAS_OK);
  memcpy(input, values, 3 * kPixels * sizeof(float));
  CHECK(mathnas_context_run(n.context) == MATHNAS_OK && close_to(output, logits, 3 * kClasses));

  memcpy(both, values, sizeof(both));
  mathnas_bindings_init(&bindings, sizeof(bindings));
  bindings.input = both;
  bindings.input_bytes = sizeof(both);
  bindings.output = both + kPixels; /* the second image, which another part reads */
  bindings.output_bytes = 3 * kClasses * sizeof(float);
  CHECK(mathnas_context_setup(n.context, &bindings) == MATHNAS_OK && mathnas_context_run(n.context) == MATHNAS_OK);
  CHECK(close_to(both + kPixels, logits, 3 * kClasses));

  mathnas_tensor_init(&tensor, sizeof(tensor));
  CHECK(mathnas_plan_input(n.plan, &tensor) == MATHNAS_OK && tensor.shape[0] == 3 && tensor.bytes == sizeof(both));
  CHECK(mathnas_plan_output(n.plan, &tensor) == MATHNAS_OK && tensor.shape[0] == 3 && tensor.shape[1] == kClasses);
  CHECK(mathnas_plan_describe(n.plan, &text) == MATHNAS_OK && strstr(text, "1 parts of 2 rows:") == text);
  CHECK(strstr(text, "1 parts of 1 rows:") != NULL);
  mathnas_plan_memory_init(&memory, sizeof(memory));
  CHECK(mathnas_plan_get_memory(n.plan, &memory) == MATHNAS_OK && memory.workspace_bytes % memory.alignment == 0);
  CHECK(posix_memalign(&workspace, memory.alignment, memory.workspace_bytes) == 0);
  mathnas_context_options_init(&context_options, sizeof(context_options));
  context_options.workspace = workspace;
  context_options.workspace_bytes = memory.workspace_bytes - 1;
  CHECK_ERROR(mathnas_context_create(n.plan, &context_options, &other), MATHNAS_INVALID_ARGUMENT, "workspace");
  context_options.workspace_bytes = memory.workspace_bytes;
  CHECK(mathnas_context_create(n.plan, &context_options, &other) == MATHNAS_OK);
  CHECK(mathnas_context_memory(other, &input, &output) == MATHNAS_OK);
  CHECK((char*)input >= (char*)workspace && (char*)output < (char*)workspace + memory.workspace_bytes);
  CHECK(run_rows(other, 3, 1, both) == MATHNAS_OK && close_to(both, logits, 3 * kClasses));
  CHECK(mathnas_context_destroy(other) == MATHNAS_OK);
  free(workspace);
  close_network(&n);
}

/* Tasks of the program that run networks: the tasks of those come in the midst of them. */
struct nested {
  struct network networks[kWorkers];
  float results[kWorkers][3 * kClasses];
  mathnas_status status[kWorkers];
};
static void run_nested(void* argument, int64_t index) {
  struct nested* nested = argument;
  nested->status[index] = run_rows(nested->networks[index].context, 3, 0, nested->results[index]);
}
static void test_nested(struct pool* pool) {
  const mathnas_model_options options = options_of(MATHNAS_CPU, 2, in_pool, pool);
  const int before = pool->nested;
  struct nested nested;
  int i;
  for (i = 0; i < kWorkers; ++i) nested.networks[i] = open_network(&options, 3);
  in_pool(pool, kWorkers, run_nested, &nested);
  CHECK(pool->nested == before + kWorkers);
  for (i = 0; i < kWorkers; ++i) {
    CHECK(nested.status[i] == MATHNAS_OK && close_to(nested.results[i], logits, 3 * kClasses));
    close_network(&nested.networks[i]);
  }
}

/* What a pool may do wrong. */
static void backwards_and_twice(void* user, int64_t count, mathnas_task task, void* argument) {
  int64_t i;
  (void)user;
  for (i = count; i >= -1; --i) task(argument, i); /* also two that nobody asked for */
  for (i = 0; i < count; ++i) task(argument, i);
}
static void forgets_one(void* user, int64_t count, mathnas_task task, void* argument) {
  int64_t i;
  for (i = 0; i < count; ++i) {
    if (*(int*)user == 0 || i != 1) task(argument, i);
  }
}
static void test_wrong_pools(void) {
  int forgets = 1;
  mathnas_model_options options = options_of(MATHNAS_CPU, 3, backwards_and_twice, NULL);
  struct network n = open_network(&options, 8);
  float result[kMostRows * kClasses], untouched[kMostRows * kClasses];
  CHECK(run_rows(n.context, 8, 0, result) == MATHNAS_OK && close_to(result, logits, 8 * kClasses));
  close_network(&n);
  options = options_of(MATHNAS_CPU, 3, forgets_one, &forgets);
  n = open_network(&options, 8);
  memset(result, 0x5a, sizeof(result));
  memset(untouched, 0x5a, sizeof(untouched));
  CHECK_ERROR(run_rows(n.context, 8, 0, result), MATHNAS_FAILED_PRECONDITION,
              "parallel_for returned before task 1 of 3 was done");
  CHECK(memcmp(result, untouched, sizeof(result)) == 0);
  forgets = 0;
  CHECK(run_rows(n.context, 8, 0, result) == MATHNAS_OK && close_to(result, logits, 8 * kClasses));
  close_network(&n);
}

static void test_refusals(struct pool* pool) {
  mathnas_model model = NULL;
  mathnas_translator translator = NULL;
  mathnas_model_options options = options_of(MATHNAS_CUDA, 2, in_pool, pool);
  const char* const path = in_folder(folder, "network.mathnas");
  CHECK_ERROR(mathnas_model_open(path, &options, &model), MATHNAS_INVALID_ARGUMENT, "parallel_for: expected null");
  options = options_of(MATHNAS_CPU, 0, in_pool, pool);
  CHECK_ERROR(mathnas_model_open(path, &options, &model), MATHNAS_INVALID_ARGUMENT, "threads: 0, expected 1 to 4096");
  options.threads = 4097;
  CHECK_ERROR(mathnas_model_open(path, &options, &model), MATHNAS_INVALID_ARGUMENT, "threads: 4097");
  options.threads = 1;
  CHECK_ERROR(mathnas_translator_open(in_folder(folder, "translator.mathnas"), &options, &translator),
              MATHNAS_INVALID_ARGUMENT, "parallel_for: expected null for a translator");
  CHECK(model == NULL && translator == NULL);
}

/* Requests of a server: those with as many rows as a run, with fewer, and with more. */
static void test_server(struct pool* pool) {
  const mathnas_model_options divided = options_of(MATHNAS_CPU, 2, in_pool, pool),
                              whole = options_of(MATHNAS_CPU, 1, 0, 0);
  float* const requests = read_file(in_folder(folder, "server_values.f32"), NULL);
  mathnas_server servers[2] = {NULL, NULL};
  mathnas_table table = NULL;
  float images[7 * kPixels], results[2][7 * kClasses];
  int i, rows, calls;
  for (i = 0; i < 7; ++i) memcpy(images + i * kPixels, requests + (i % 2) * kPixels, kPixels * sizeof(float));
  CHECK(mathnas_table_open(in_folder(folder, "server_table.json"), &table) == MATHNAS_OK);
  for (i = 0; i < 2; ++i) {
    mathnas_model model = NULL;
    mathnas_server_options options;
    CHECK(mathnas_model_open(in_folder(folder, "supernet.safetensors"), i == 0 ? &whole : &divided, &model) ==
          MATHNAS_OK);
    mathnas_server_options_init(&options, sizeof(options));
    options.batch = 3;
    options.background = 0;
    options.statistics_file = in_folder(folder, "server_known.safetensors");
    CHECK(mathnas_server_create(model, table, &options, &servers[i]) == MATHNAS_OK);
    CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
  }
  for (rows = 1; rows <= 7; ++rows) {
    const int threads_before = thread_count();
    calls = pool->calls;
    for (i = 0; i < 2; ++i) {
      mathnas_bindings bindings;
      mathnas_bindings_init(&bindings, sizeof(bindings));
      bindings.rows = rows;
      bindings.input = images;
      bindings.input_bytes = (uint64_t)rows * kPixels * sizeof(float);
      bindings.output = results[i];
      bindings.output_bytes = (uint64_t)rows * kClasses * sizeof(float);
      memset(results[i], 0x5a, sizeof(results[i]));
      CHECK(mathnas_server_run(servers[i], &bindings, NULL) == MATHNAS_OK);
    }
    CHECK(close_to(results[1], results[0], rows * kClasses));
    /* Three rows are two parts, of 2 and 1; one or two rows fill the first alone. */
    CHECK(pool->calls == calls + rows / 3);
    CHECK(thread_count() == threads_before);
  }
  for (i = 0; i < 2; ++i) CHECK(mathnas_server_destroy(servers[i]) == MATHNAS_OK);
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK);
  free(requests);
}

/* That counting threads sees a team of OpenMP: without parallel_for there is one. */
static void test_openmp(void) {
  const mathnas_model_options options = options_of(MATHNAS_CPU, 4, NULL, NULL);
  const int before = thread_count();
  const struct network n = open_network(&options, 8);
  float result[kMostRows * kClasses];
  CHECK(run_rows(n.context, 8, 0, result) == MATHNAS_OK && close_to(result, logits, 8 * kClasses));
  CHECK(thread_count() > before);
  close_network(&n);
}

/* A program that was compiled against the first header has no parallel_for. */
static void test_first_header(void) {
  struct {
    mathnas_model_options options;
    uint64_t after;
  } old;
  mathnas_model model = NULL;
  const size_t first = offsetof(mathnas_model_options, parallel_for);
  memset(&old, 0x5a, sizeof(old)); /* what comes after the struct is not the library's */
  CHECK(first == 72 && mathnas_model_options_init(&old.options, first) == MATHNAS_OK);
  CHECK(mathnas_model_open(in_folder(folder, "network.mathnas"), &old.options, &model) == MATHNAS_OK);
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
}

int main(int argc, char** argv) {
  static const int64_t batches[] = {1, 2, 3, 5, 8};
  struct pool pool;
  float* read;
  uint8_t* read_pixels;
  size_t b;
  int32_t threads;
  int i;
  if (argc != 2) return 2;
  folder = argv[1];
  values = malloc(kMostRows * kPixels * sizeof(float));
  logits = malloc(kMostRows * kClasses * sizeof(float));
  pixels = malloc(kMostRows * kPixels);
  read = read_file(in_folder(folder, "values.f32"), NULL);
  for (i = 0; i < kMostRows; ++i) memcpy(values + i * kPixels, read + i % kImages * kPixels, kPixels * sizeof(float));
  free(read);
  read = read_file(in_folder(folder, "logits.f32"), NULL);
  for (i = 0; i < kMostRows; ++i)
    memcpy(logits + i * kClasses, read + i % kImages * kClasses, kClasses * sizeof(float));
  free(read);
  read_pixels = read_file(in_folder(folder, "pixels.u8"), NULL);
  for (i = 0; i < kMostRows; ++i) memcpy(pixels + i * kPixels, read_pixels + i % kImages * kPixels, kPixels);
  free(read_pixels);

  start(&pool);
  for (b = 0; b < sizeof(batches) / sizeof(batches[0]); ++b) {
    for (threads = 1; threads <= 3; ++threads) {
      const int parts = batches[b] < threads ? (int)batches[b] : threads;
      test_batch(&pool, MATHNAS_CPU, batches[b], threads, parts);
      test_batch(&pool, MATHNAS_REFERENCE, batches[b], threads, parts);
    }
  }
  CHECK(pool.by_worker[0] + pool.by_worker[1] == pool.tasks && pool.tasks > 0);
  test_memory(&pool);
  test_nested(&pool);
  test_wrong_pools();
  test_refusals(&pool);
  test_server(&pool);
  test_first_header();
  test_openmp();
  end(&pool);
  free(values);
  free(logits);
  free(pixels);
  return finish();
}
