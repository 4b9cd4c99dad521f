/* Deployed networks: what a file says, what comes of it in every way of running it, and files that are no good. */
#include "check.h"

enum { kImages = 5, kPixels = 8 * 8 * 3, kClasses = 10 };

static uint8_t* pixels;
static float* values;
static float* logits;

static mathnas_model open_network(const char* folder, const mathnas_model_options* options) {
  mathnas_model model = NULL;
  CHECK(mathnas_model_open(in_folder(folder, "network.mathnas"), options, &model) == MATHNAS_OK);
  return model;
}

static void test_description(const char* folder) {
  mathnas_model model = open_network(folder, NULL);
  mathnas_tensor tensor;
  const char* text = NULL;
  uint32_t count = 0;
  int32_t kind = -1;
  mathnas_tensor_init(&tensor, sizeof(tensor));
  CHECK(mathnas_model_kind(model, &kind) == MATHNAS_OK && kind == MATHNAS_NETWORK);
  CHECK(mathnas_model_input(model, &tensor) == MATHNAS_OK);
  CHECK(strcmp(tensor.name, "images") == 0 && tensor.type == MATHNAS_F32 && tensor.rank == 4);
  CHECK(tensor.shape[0] == 1 && tensor.shape[1] == 8 && tensor.shape[2] == 8 && tensor.shape[3] == 3);
  CHECK(tensor.bytes == kPixels * sizeof(float) && tensor.normalised_channels == 3);
  CHECK(tensor.mean[1] == 123.0 && tensor.deviation[2] == 66.7);
  CHECK(mathnas_model_output(model, &tensor) == MATHNAS_OK);
  CHECK(strcmp(tensor.name, "logits") == 0 && tensor.rank == 2 && tensor.shape[0] == 1 && tensor.shape[1] == kClasses);
  CHECK(tensor.normalised_channels == 0 && tensor.mean == NULL);
  CHECK(mathnas_model_class_count(model, &count) == MATHNAS_OK && count == kClasses);
  CHECK(mathnas_model_class_name(model, 9, &text) == MATHNAS_OK && strcmp(text, "j") == 0);
  CHECK_ERROR(mathnas_model_class_name(model, 10, &text), MATHNAS_INVALID_ARGUMENT, "class 10");
  CHECK(mathnas_model_information(model, &text) == MATHNAS_OK && strstr(text, "nasbench201") != NULL);
  CHECK_ERROR(mathnas_model_kind(model, NULL), MATHNAS_INVALID_ARGUMENT, "kind: null");
  CHECK_ERROR(mathnas_model_class_count(model, NULL), MATHNAS_INVALID_ARGUMENT, "count: null");
  CHECK_ERROR(mathnas_model_information(model, NULL), MATHNAS_INVALID_ARGUMENT, "json: null");
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
}

/* Five images in batches of `batch`, of pixels or values, into buffers or in place. */
static void run_all(mathnas_plan plan, int batch, int as_pixels, int in_place, const mathnas_context_options* options) {
  mathnas_context context = NULL;
  mathnas_bindings bindings;
  float result[kImages * kClasses];
  float *input = NULL, *output = NULL;
  int first;
  memset(result, 0, sizeof(result));
  CHECK(mathnas_context_create(plan, options, &context) == MATHNAS_OK);
  CHECK(mathnas_context_memory(context, &input, &output) == MATHNAS_OK);
  mathnas_bindings_init(&bindings, sizeof(bindings));
  for (first = 0; first < kImages; first += batch) {
    const int rows = kImages - first < batch ? kImages - first : batch;
    bindings.rows = rows;
    if (in_place) {
      memcpy(input, values + first * kPixels, (size_t)rows * kPixels * sizeof(float));
    } else {
      bindings.input_type = as_pixels ? MATHNAS_U8 : MATHNAS_F32;
      bindings.input = as_pixels ? (const void*)(pixels + first * kPixels) : (const void*)(values + first * kPixels);
      bindings.input_bytes = (uint64_t)rows * kPixels * (as_pixels ? 1 : sizeof(float));
      bindings.output = result + first * kClasses;
      bindings.output_bytes = (uint64_t)rows * kClasses * sizeof(float);
    }
    CHECK(mathnas_context_setup(context, &bindings) == MATHNAS_OK);
    CHECK(mathnas_context_run(context) == MATHNAS_OK);
    if (in_place) memcpy(result + first * kClasses, output, (size_t)rows * kClasses * sizeof(float));
  }
  CHECK(close_to(result, logits, kImages * kClasses));
  CHECK(mathnas_context_destroy(context) == MATHNAS_OK);
}

static void test_results(const char* folder) {
  static const int batches[] = {1, 2, 5, 8};
  int device, i, threads;
  for (device = MATHNAS_CPU; device <= MATHNAS_REFERENCE; ++device) {
    for (threads = 1; threads <= (device == MATHNAS_CPU ? 2 : 1); ++threads) {
      mathnas_model_options options;
      mathnas_model model;
      mathnas_model_options_init(&options, sizeof(options));
      options.device = device;
      options.threads = threads;
      model = open_network(folder, &options);
      for (i = 0; i < 4; ++i) {
        mathnas_plan plan = NULL, again = NULL;
        mathnas_plan_options plan_options;
        mathnas_tensor tensor;
        mathnas_plan_options_init(&plan_options, sizeof(plan_options));
        plan_options.batch = batches[i];
        CHECK(mathnas_plan_create(model, &plan_options, &plan) == MATHNAS_OK);
        CHECK(mathnas_plan_create(model, &plan_options, &again) == MATHNAS_OK && again != plan);
        mathnas_tensor_init(&tensor, sizeof(tensor));
        CHECK(mathnas_plan_input(plan, &tensor) == MATHNAS_OK && tensor.shape[0] == batches[i]);
        CHECK(tensor.normalised_channels == 3 && tensor.rank == 4);
        CHECK(mathnas_plan_output(plan, &tensor) == MATHNAS_OK && tensor.shape[0] == batches[i]);
        run_all(plan, batches[i], 0, 0, NULL);
        run_all(plan, batches[i], 1, 0, NULL);
        CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK); /* it lives on under the other handle */
        run_all(again, batches[i], 0, 1, NULL);
        CHECK(mathnas_plan_destroy(again) == MATHNAS_OK);
      }
      CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
    }
  }
}

/* Handles may be destroyed in any order; what is needed lives on. */
static void test_order_of_destruction(const char* folder) {
  mathnas_model model = open_network(folder, NULL);
  mathnas_plan plan = NULL;
  mathnas_context context = NULL;
  float *input = NULL, *output = NULL;
  CHECK(mathnas_plan_create(model, NULL, &plan) == MATHNAS_OK);
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
  CHECK(mathnas_context_create(plan, NULL, &context) == MATHNAS_OK);
  CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK);
  CHECK(mathnas_context_memory(context, &input, &output) == MATHNAS_OK);
  memcpy(input, values, kPixels * sizeof(float));
  CHECK(mathnas_context_run(context) == MATHNAS_OK); /* a new context runs in its own memory */
  CHECK(close_to(output, logits, kClasses));
  CHECK(mathnas_context_destroy(context) == MATHNAS_OK);
}

/* Buffers of any alignment, and an output over the input. */
static void test_buffers(const char* folder) {
  mathnas_model model = open_network(folder, NULL);
  mathnas_plan plan = NULL;
  mathnas_context context = NULL;
  mathnas_bindings bindings;
  char* memory = malloc(kPixels * sizeof(float) + 1);
  float result[kClasses];
  float* input = NULL;
  CHECK(mathnas_plan_create(model, NULL, &plan) == MATHNAS_OK);
  CHECK(mathnas_context_create(plan, NULL, &context) == MATHNAS_OK);
  memcpy(memory + 1, values, kPixels * sizeof(float));
  mathnas_bindings_init(&bindings, sizeof(bindings));
  bindings.input = memory + 1;
  bindings.input_bytes = kPixels * sizeof(float);
  bindings.output = (float*)(void*)(memory + 1);
  bindings.output_bytes = kClasses * sizeof(float);
  CHECK(mathnas_context_setup(context, &bindings) == MATHNAS_OK && mathnas_context_run(context) == MATHNAS_OK);
  memcpy(result, memory + 1, sizeof(result));
  CHECK(close_to(result, logits, kClasses));

  CHECK(mathnas_context_memory(context, &input, NULL) == MATHNAS_OK); /* the same of the context's own memory */
  memcpy(input, values, kPixels * sizeof(float));
  bindings.input = input;
  bindings.output = input;
  CHECK(mathnas_context_setup(context, &bindings) == MATHNAS_OK && mathnas_context_run(context) == MATHNAS_OK);
  CHECK(close_to(input, logits, kClasses));

  bindings.input_bytes -= 1;
  CHECK_ERROR(mathnas_context_setup(context, &bindings), MATHNAS_INVALID_ARGUMENT,
              "input_bytes: 767 bytes, expected 768");
  bindings.input_bytes += 1;
  bindings.output_bytes = 0;
  CHECK_ERROR(mathnas_context_setup(context, &bindings), MATHNAS_INVALID_ARGUMENT,
              "output_bytes: 0 bytes, expected 40");
  bindings.output_bytes = kClasses * sizeof(float);
  bindings.rows = 2;
  CHECK_ERROR(mathnas_context_setup(context, &bindings), MATHNAS_INVALID_ARGUMENT, "rows: 2, expected 1 to 1");
  bindings.rows = -1;
  CHECK_ERROR(mathnas_context_setup(context, &bindings), MATHNAS_INVALID_ARGUMENT, "rows: -1");
  bindings.rows = 1;
  bindings.input_type = MATHNAS_F64;
  CHECK_ERROR(mathnas_context_setup(context, &bindings), MATHNAS_INVALID_ARGUMENT, "input_type: 1");
  bindings.input_type = MATHNAS_U8;
  bindings.input = NULL;
  CHECK_ERROR(mathnas_context_setup(context, &bindings), MATHNAS_INVALID_ARGUMENT, "input: null, expected pixels");
  CHECK(mathnas_context_setup(context, NULL) == MATHNAS_OK); /* its own memory again */
  CHECK(mathnas_context_destroy(context) == MATHNAS_OK);
  CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK && mathnas_model_destroy(model) == MATHNAS_OK);
  free(memory);
}

struct allocator {
  int allowed;
  size_t bytes;
  int blocks;
  int misaligned;
};

static void* allocate(void* user, size_t bytes, size_t alignment) {
  struct allocator* a = user;
  char* memory;
  size_t at;
  CHECK(alignment == 64 && bytes % alignment == 0);
  if (!a->allowed) return NULL;
  memory = malloc(bytes + 2 * alignment);
  at = ((uintptr_t)memory + 2 * alignment - 1) / alignment * alignment - (uintptr_t)memory;
  if (a->misaligned) at -= 32;
  memcpy(memory + at - sizeof(memory), &memory, sizeof(memory));
  a->bytes += bytes;
  ++a->blocks;
  return memory + at;
}

static void release(void* user, void* memory, size_t bytes, size_t alignment) {
  struct allocator* a = user;
  char* start;
  CHECK(alignment == 64);
  memcpy(&start, (char*)memory - sizeof(start), sizeof(start));
  free(start);
  a->bytes -= bytes;
  --a->blocks;
}

static void test_memory(const char* folder) {
  struct allocator a = {1, 0, 0, 0};
  mathnas_model_options options;
  mathnas_plan_memory memory;
  mathnas_context_options context_options;
  mathnas_model model;
  mathnas_plan plan = NULL;
  mathnas_context context = NULL;
  const char* text = NULL;
  void* block;
  mathnas_model_options_init(&options, sizeof(options));
  options.allocate = allocate;
  options.allocator_user = &a;
  CHECK_ERROR(mathnas_model_open(in_folder(folder, "network.mathnas"), &options, &model), MATHNAS_INVALID_ARGUMENT,
              "both of allocate and release");
  options.release = release;
  model = open_network(folder, &options);
  CHECK(mathnas_plan_create(model, NULL, &plan) == MATHNAS_OK);
  mathnas_plan_memory_init(&memory, sizeof(memory));
  CHECK(mathnas_plan_get_memory(plan, &memory) == MATHNAS_OK);
  CHECK(memory.alignment == 64 && memory.workspace_bytes >= kPixels * sizeof(float) && memory.weight_bytes > 10000);
  CHECK(mathnas_plan_describe(plan, &text) == MATHNAS_OK && strstr(text, "stem") != NULL);
  CHECK_ERROR(mathnas_plan_describe(plan, NULL), MATHNAS_INVALID_ARGUMENT, "text: null");

  CHECK(mathnas_context_create(plan, NULL, &context) == MATHNAS_OK);
  CHECK(a.blocks == 1 && a.bytes == memory.workspace_bytes);
  CHECK(mathnas_context_destroy(context) == MATHNAS_OK && a.blocks == 0 && a.bytes == 0);
  run_all(plan, 1, 0, 0, NULL);
  CHECK(a.blocks == 0);

  a.allowed = 0;
  CHECK_ERROR(mathnas_context_create(plan, NULL, &context), MATHNAS_RESOURCE_EXHAUSTED, "the allocator has no");
  CHECK(context == NULL);
  a.allowed = 1;
  a.misaligned = 1;
  CHECK_ERROR(mathnas_context_create(plan, NULL, &context), MATHNAS_INVALID_ARGUMENT, "alignment of 64");
  CHECK(a.blocks == 0);

  /* The caller's memory: nothing comes of the allocator. */
  a.allowed = 0;
  block = malloc((size_t)memory.workspace_bytes + 64);
  mathnas_context_options_init(&context_options, sizeof(context_options));
  context_options.workspace = (char*)block + (64 - (uintptr_t)block % 64) % 64;
  context_options.workspace_bytes = memory.workspace_bytes;
  run_all(plan, 1, 1, 0, &context_options);
  run_all(plan, 1, 0, 1, &context_options);
  context_options.workspace_bytes -= 1;
  CHECK_ERROR(mathnas_context_create(plan, &context_options, &context), MATHNAS_INVALID_ARGUMENT, "workspace: ");
  context_options.workspace_bytes = memory.workspace_bytes;
  context_options.workspace = (char*)context_options.workspace + 4;
  CHECK_ERROR(mathnas_context_create(plan, &context_options, &context), MATHNAS_INVALID_ARGUMENT, "workspace: ");
  free(block);
  CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK && mathnas_model_destroy(model) == MATHNAS_OK);
}

static void count_release(void* user) { ++*(int*)user; }

/* From memory: copied, borrowed, and not aligned. */
static void test_bytes(const char* folder) {
  size_t size = 0;
  char* file = read_file(in_folder(folder, "network.mathnas"), &size);
  char* bytes = malloc(size + 1);
  mathnas_model_options options;
  int way, released = 0;
  mathnas_model_options_init(&options, sizeof(options));
  options.bytes_released = count_release;
  options.bytes_user = &released;
  for (way = 0; way < 3; ++way) {
    mathnas_model model = NULL;
    mathnas_plan plan = NULL;
    char* at = bytes + (way == 2 ? 1 : 0);
    memcpy(at, file, size);
    options.borrow = way > 0;
    CHECK(mathnas_model_read(at, size, &options, &model) == MATHNAS_OK);
    if (way == 0) memset(bytes, 0, size); /* was copied */
    CHECK(mathnas_plan_create(model, NULL, &plan) == MATHNAS_OK);
    CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
    CHECK(released == 0); /* the plan needs them */
    run_all(plan, 1, 1, 0, NULL);
    CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK);
    CHECK(released == (way > 0));
    released = 0;
  }
  {
    mathnas_model model = NULL;
    options.borrow = 1;
    CHECK_ERROR(mathnas_model_read(bytes, size - 1, &options, &model), MATHNAS_INVALID_ARGUMENT, "memory: ");
    CHECK(released == 0 && model == NULL);
    CHECK_ERROR(mathnas_model_read(bytes, 0, NULL, &model), MATHNAS_INVALID_ARGUMENT, "memory: 0 bytes long");
    CHECK_ERROR(mathnas_model_read(NULL, size, NULL, &model), MATHNAS_INVALID_ARGUMENT, "bytes: null");
    CHECK_ERROR(mathnas_model_read(bytes, (size_t)-1, NULL, &model), MATHNAS_INVALID_ARGUMENT, "size ");
    options.borrow = 2;
    CHECK_ERROR(mathnas_model_read(bytes, size, &options, &model), MATHNAS_INVALID_ARGUMENT, "borrow is 2");
  }
  free(bytes);
  free(file);
}

static void check_file(const char* folder, const char* name, mathnas_status expected, const char* text) {
  const char* path = in_folder(folder, name);
  mathnas_model model = NULL;
  CHECK_ERROR(mathnas_model_open(path, NULL, &model), expected, text);
  CHECK(strstr(mathnas_last_error(), path) != NULL && model == NULL);
}

static void test_wrong_files(const char* folder) {
  mathnas_model model = NULL;
  mathnas_model_options options;
  mathnas_plan plan = NULL;
  mathnas_plan_options plan_options;
  const int32_t choice[1] = {0};
  check_file(folder, "none.mathnas", MATHNAS_NOT_FOUND, "");
  check_file(folder, "empty.mathnas", MATHNAS_INVALID_ARGUMENT, "0 bytes long");
  check_file(folder, "truncated.mathnas", MATHNAS_INVALID_ARGUMENT, "expected");
  check_file(folder, "header.mathnas", MATHNAS_INVALID_ARGUMENT, "header length");
  check_file(folder, "damaged.mathnas", MATHNAS_INVALID_ARGUMENT,
             "tensor \"classifier.weight\": the graph has no such");
  check_file(folder, "other.mathnas", MATHNAS_INVALID_ARGUMENT,
             "format: found \"MATHNAS-NETWORK/1\", expected \"mathnas-network/1\" or \"mathnas-checkpoint/1\"");
  check_file(folder, "newer.mathnas", MATHNAS_UNIMPLEMENTED,
             "format: found \"mathnas-network/2\", but this version of the library reads \"mathnas-network/1\"");
  check_file(folder, "translator.mathnas", MATHNAS_UNIMPLEMENTED, "mathnas_translator_open");
  check_file(folder, "logits.f32", MATHNAS_INVALID_ARGUMENT, "header length");
  check_file(folder, ".", MATHNAS_INVALID_ARGUMENT, "");
  CHECK_ERROR(mathnas_model_open(NULL, NULL, &model), MATHNAS_INVALID_ARGUMENT, "path: null");
  CHECK_ERROR(mathnas_model_open("x", NULL, NULL), MATHNAS_INVALID_ARGUMENT, "model: null");

  mathnas_model_options_init(&options, sizeof(options));
  options.threads = 0;
  CHECK_ERROR(mathnas_model_open(in_folder(folder, "network.mathnas"), &options, &model), MATHNAS_INVALID_ARGUMENT,
              "threads 0");
  options.threads = 1;
  options.device = 7;
  CHECK_ERROR(mathnas_model_open(in_folder(folder, "network.mathnas"), &options, &model), MATHNAS_INVALID_ARGUMENT,
              "device 7");
  options.device = MATHNAS_REFERENCE;
  options.threads = 2;
  CHECK_ERROR(mathnas_model_open(in_folder(folder, "network.mathnas"), &options, &model), MATHNAS_INVALID_ARGUMENT,
              "threads 2");

  model = open_network(folder, NULL);
  mathnas_plan_options_init(&plan_options, sizeof(plan_options));
  plan_options.batch = 0;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &plan), MATHNAS_INVALID_ARGUMENT, "batch 0");
  plan_options.batch = 65537;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &plan), MATHNAS_INVALID_ARGUMENT, "batch 65537");
  plan_options.batch = 1;
  plan_options.choice = choice;
  plan_options.choice_count = 1;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &plan), MATHNAS_INVALID_ARGUMENT, "is one network");
  CHECK_ERROR(mathnas_plan_create(model, NULL, NULL), MATHNAS_INVALID_ARGUMENT, "plan: null");
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  pixels = read_file(in_folder(argv[1], "pixels.u8"), NULL);
  values = read_file(in_folder(argv[1], "values.f32"), NULL);
  logits = read_file(in_folder(argv[1], "logits.f32"), NULL);
  test_description(argv[1]);
  test_results(argv[1]);
  test_order_of_destruction(argv[1]);
  test_buffers(argv[1]);
  test_memory(argv[1]);
  test_bytes(argv[1]);
  test_wrong_files(argv[1]);
  free(pixels);
  free(values);
  free(logits);
  return finish();
}
