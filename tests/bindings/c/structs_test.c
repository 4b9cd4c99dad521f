/* Versions, names of statuses, and structs of other sizes than the library's. */
#include "check.h"

/* A struct as a later version may have it. */
struct later {
  mathnas_plan_options known;
  uint64_t added;
};

static void test_versions(void) {
  int status;
  CHECK(mathnas_api_version() == MATHNAS_API_VERSION);
  CHECK(strlen(mathnas_version_string()) >= 5);
  for (status = MATHNAS_OK; status <= MATHNAS_BUSY; ++status) {
    CHECK(strncmp(mathnas_status_name(status), "MATHNAS_", 8) == 0);
  }
  CHECK(strcmp(mathnas_status_name(MATHNAS_BUSY), "MATHNAS_BUSY") == 0);
  CHECK(strcmp(mathnas_status_name(-1), "unknown status") == 0);
  CHECK(strcmp(mathnas_status_name(99), "unknown status") == 0);
}

static void test_init(void) {
  mathnas_model_options model;
  mathnas_tensor tensor;
  mathnas_plan_options plan;
  mathnas_plan_memory memory;
  mathnas_context_options context;
  mathnas_bindings bindings;
  mathnas_search_options search;
  mathnas_result_summary summary;
  mathnas_network network;
  mathnas_predictor_options predictor;
  mathnas_predictions predictions;
  mathnas_server_options server;
  mathnas_server_statistics statistics;
  mathnas_served served;
  mathnas_decision decision;
  mathnas_subnet subnet;
  CHECK(mathnas_model_options_init(&model, sizeof(model)) == MATHNAS_OK && model.threads == 1);
  CHECK(mathnas_tensor_init(&tensor, sizeof(tensor)) == MATHNAS_OK && tensor.name == NULL);
  CHECK(mathnas_plan_options_init(&plan, sizeof(plan)) == MATHNAS_OK && plan.batch == 1);
  CHECK(mathnas_plan_memory_init(&memory, sizeof(memory)) == MATHNAS_OK && memory.workspace_bytes == 0);
  CHECK(mathnas_context_options_init(&context, sizeof(context)) == MATHNAS_OK && context.workspace == NULL);
  CHECK(mathnas_bindings_init(&bindings, sizeof(bindings)) == MATHNAS_OK && bindings.rows == 0);
  CHECK(mathnas_search_options_init(&search, sizeof(search)) == MATHNAS_OK && search.top == 1);
  CHECK(strcmp(search.objective, "accuracy") == 0 && search.time_limit > 1e300);
  CHECK(mathnas_result_summary_init(&summary, sizeof(summary)) == MATHNAS_OK && summary.explored == 0);
  CHECK(mathnas_network_init(&network, sizeof(network)) == MATHNAS_OK && network.choice == NULL);
  CHECK(mathnas_predictor_options_init(&predictor, sizeof(predictor)) == MATHNAS_OK && predictor.metric_count == 0);
  CHECK(mathnas_predictions_init(&predictions, sizeof(predictions)) == MATHNAS_OK && predictions.threads == 1);
  CHECK(predictions.struct_size == sizeof(predictions) && predictions.value_type == MATHNAS_F64);
  CHECK(mathnas_server_options_init(&server, sizeof(server)) == MATHNAS_OK && server.lanes == 1);
  CHECK(server.prepared == 8 && server.background == 1 && server.follow == NULL && server.follow_window == 20);
  CHECK(mathnas_server_statistics_init(&statistics, sizeof(statistics)) == MATHNAS_OK && statistics.requests == 0);
  CHECK(mathnas_served_init(&served, sizeof(served)) == MATHNAS_OK && served.milliseconds == 0);
  CHECK(mathnas_decision_init(&decision, sizeof(decision)) == MATHNAS_OK && decision.switching == MATHNAS_PRESENT);
  CHECK(mathnas_subnet_init(&subnet, sizeof(subnet)) == MATHNAS_OK && subnet.choice == NULL);
  CHECK(strcmp(mathnas_last_error(), "") == 0);
}

static void test_wrong_sizes(void) {
  static const size_t sizes[] = {0,    4,         sizeof(mathnas_plan_options) - 8, sizeof(mathnas_plan_options) + 4,
                                 8192, (size_t)-1};
  mathnas_plan_options plan;
  size_t i;
  for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
    memset(&plan, 0x5a, sizeof(plan));
    CHECK_ERROR(mathnas_plan_options_init(&plan, sizes[i]), MATHNAS_INVALID_ARGUMENT, "plan options: struct_size is");
    CHECK(plan.struct_size == 0x5a5a5a5a); /* nothing was written */
  }
  CHECK_ERROR(mathnas_plan_options_init(NULL, sizeof(plan)), MATHNAS_INVALID_ARGUMENT, "plan options: null");
}

/* Later versions add fields: those that this one does not know must be zero. */
static void test_later_sizes(const char* folder) {
  struct later options;
  struct {
    mathnas_tensor known;
    uint64_t added[2];
  } tensor;
  mathnas_model model = NULL;
  mathnas_plan plan = NULL;
  CHECK(mathnas_model_open(in_folder(folder, "network.mathnas"), NULL, &model) == MATHNAS_OK);

  memset(&options, 0x5a, sizeof(options));
  CHECK(mathnas_plan_options_init(&options.known, sizeof(options)) == MATHNAS_OK);
  CHECK(options.known.struct_size == sizeof(options) && options.known.batch == 1 && options.added == 0);
  CHECK(mathnas_plan_create(model, &options.known, &plan) == MATHNAS_OK);
  CHECK(mathnas_plan_destroy(plan) == MATHNAS_OK);
  options.added = (uint64_t)1 << 63;
  CHECK_ERROR(mathnas_plan_create(model, &options.known, &plan), MATHNAS_INVALID_ARGUMENT,
              "plan options: byte 39 of 40");
  CHECK(plan == NULL);

  memset(&tensor, 0x5a, sizeof(tensor));
  tensor.known.struct_size = sizeof(tensor);
  CHECK(mathnas_model_input(model, &tensor.known) == MATHNAS_OK);
  CHECK(tensor.known.struct_size == sizeof(tensor) && tensor.known.rank == 4);
  CHECK(tensor.added[0] == 0 && tensor.added[1] == 0);
  tensor.known.struct_size = 16;
  CHECK_ERROR(mathnas_model_input(model, &tensor.known), MATHNAS_INVALID_ARGUMENT, "tensor: struct_size is 16");
  CHECK_ERROR(mathnas_model_input(model, NULL), MATHNAS_INVALID_ARGUMENT, "tensor: null");
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  test_versions();
  test_init();
  test_wrong_sizes();
  test_later_sizes(argv[1]);
  return finish();
}
