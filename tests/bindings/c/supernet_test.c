/* Checkpoints: networks of a supernet, and of one network alone. */
#include "check.h"

enum { kImages = 5, kPixels = 8 * 8 * 3, kClasses = 10, kNodes = 6 };

static const int32_t choice[kNodes] = {3, 1, 2, 4, 0, 3};
static const char* const subnet =
    "{\"arch\": \"|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|\"}";

struct warnings {
  int count;
  char last[200];
};

static void log_line(void* user, int32_t level, const char* text) {
  struct warnings* w = user;
  CHECK(level == MATHNAS_LOG_WARNING);
  ++w->count;
  snprintf(w->last, sizeof(w->last), "%s", text);
}

static void check_results(const char* folder, mathnas_plan plan) {
  float* values = read_file(in_folder(folder, "subnet_values.f32"), NULL);
  float* logits = read_file(in_folder(folder, "subnet_logits.f32"), NULL);
  float result[kImages * kClasses];
  mathnas_context context = NULL;
  mathnas_bindings bindings;
  memset(result, 0, sizeof(result));
  mathnas_bindings_init(&bindings, sizeof(bindings));
  bindings.input = values;
  bindings.input_bytes = kImages * kPixels * sizeof(float);
  bindings.output = result;
  bindings.output_bytes = sizeof(result);
  CHECK(mathnas_context_create(plan, NULL, &context) == MATHNAS_OK);
  CHECK(mathnas_context_setup(context, &bindings) == MATHNAS_OK && mathnas_context_run(context) == MATHNAS_OK);
  CHECK(close_to(result, logits, kImages * kClasses));
  CHECK(mathnas_context_destroy(context) == MATHNAS_OK);
  free(values);
  free(logits);
}

static void test_supernet(const char* folder) {
  struct warnings warnings = {0, ""};
  mathnas_model_options options;
  mathnas_model model = NULL;
  mathnas_plan plan = NULL, other = NULL;
  mathnas_plan_options plan_options;
  mathnas_tensor tensor;
  const char* text = NULL;
  uint32_t count = 7;
  int32_t kind = -1;
  const int32_t wrong[kNodes] = {3, 1, 5, 4, 0, 3};
  mathnas_model_options_init(&options, sizeof(options));
  options.log = log_line;
  options.log_user = &warnings;
  CHECK(mathnas_model_open(in_folder(folder, "supernet.safetensors"), &options, &model) == MATHNAS_OK);
  CHECK(mathnas_model_kind(model, &kind) == MATHNAS_OK && kind == MATHNAS_SUPERNET);
  mathnas_tensor_init(&tensor, sizeof(tensor));
  CHECK(mathnas_model_input(model, &tensor) == MATHNAS_OK && strcmp(tensor.name, "image") == 0);
  CHECK(tensor.rank == 4 && tensor.shape[0] == 1 && tensor.shape[1] == 8 && tensor.normalised_channels == 0);
  CHECK(mathnas_model_output(model, &tensor) == MATHNAS_OK && tensor.rank == 2 && tensor.shape[1] == kClasses);
  CHECK(mathnas_model_class_count(model, &count) == MATHNAS_OK && count == 0);
  CHECK(mathnas_model_information(model, &text) == MATHNAS_OK);
  CHECK(strstr(text, "\"space\":\"nasbench201\"") != NULL && strstr(text, "\"candidates\":[\"none\"") != NULL);
  CHECK(strstr(text, "\"subnet\"") == NULL);

  mathnas_plan_options_init(&plan_options, sizeof(plan_options));
  plan_options.batch = kImages;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &plan), MATHNAS_INVALID_ARGUMENT, "the model is a supernet");
  plan_options.choice = choice;
  plan_options.choice_count = kNodes;
  CHECK(mathnas_plan_create(model, &plan_options, &plan) == MATHNAS_OK);
  CHECK(warnings.count == 1 && strstr(warnings.last, "not recalibrated") != NULL);
  check_results(folder, plan);

  plan_options.subnet = subnet;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &other), MATHNAS_INVALID_ARGUMENT, "expected one of them");
  plan_options.choice = NULL;
  CHECK(mathnas_plan_create(model, &plan_options, &other) == MATHNAS_OK);
  CHECK(warnings.count == 1); /* the same network, so the same plan */
  check_results(folder, other);
  CHECK(mathnas_plan_destroy(other) == MATHNAS_OK);

  plan_options.subnet = "{\"arch\": \"|nor_conv_9x9~0|\"}";
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &other), MATHNAS_INVALID_ARGUMENT, "subnet: ");
  plan_options.subnet = NULL;
  plan_options.choice = wrong;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &other), MATHNAS_INVALID_ARGUMENT, "choice[2]");
  plan_options.choice_count = 5;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &other), MATHNAS_INVALID_ARGUMENT, "choice: 5 entries");
  CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK && mathnas_model_destroy(model) == MATHNAS_OK);
}

static void test_own(const char* folder) {
  mathnas_model model = NULL;
  mathnas_plan plan = NULL;
  mathnas_plan_options plan_options;
  const char* text = NULL;
  int32_t kind = -1;
  const int32_t other[kNodes] = {3, 1, 2, 4, 0, 2};
  CHECK(mathnas_model_open(in_folder(folder, "own.safetensors"), NULL, &model) == MATHNAS_OK);
  CHECK(mathnas_model_kind(model, &kind) == MATHNAS_OK && kind == MATHNAS_NETWORK);
  CHECK(mathnas_model_information(model, &text) == MATHNAS_OK && strstr(text, "\"subnet\"") != NULL);
  mathnas_plan_options_init(&plan_options, sizeof(plan_options));
  plan_options.batch = kImages;
  CHECK(mathnas_plan_create(model, &plan_options, &plan) == MATHNAS_OK);
  check_results(folder, plan);
  CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK);
  plan_options.choice = other;
  plan_options.choice_count = kNodes;
  CHECK_ERROR(mathnas_plan_create(model, &plan_options, &plan), MATHNAS_INVALID_ARGUMENT, "the model is the network");
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  test_supernet(argv[1]);
  test_own(argv[1]);
  return finish();
}
