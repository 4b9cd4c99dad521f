/* Handles that are none: null, destroyed, of another type, of another time, made up. */
#include "check.h"

/* One call for each function that takes a handle, whatever the handle is. All must refuse it; with `null` those that
 * destroy do not. */
static void check_refused(void* h, int null) {
  const mathnas_status destroyed = null ? MATHNAS_OK : MATHNAS_BAD_HANDLE;
  mathnas_tensor tensor;
  mathnas_plan_memory memory;
  mathnas_result_summary summary;
  mathnas_network network;
  mathnas_predictions predictions;
  mathnas_plan plan = NULL;
  mathnas_context context = NULL;
  mathnas_result result = NULL;
  mathnas_predictor predictor = NULL;
  mathnas_server server = NULL;
  mathnas_server_statistics server_statistics;
  mathnas_subnet subnet;
  const char* text = NULL;
  float* values = NULL;
  double value = 0;
  uint32_t count = 0;
  int32_t kind = 0;
  mathnas_tensor_init(&tensor, sizeof(tensor));
  mathnas_plan_memory_init(&memory, sizeof(memory));
  mathnas_result_summary_init(&summary, sizeof(summary));
  mathnas_network_init(&network, sizeof(network));
  mathnas_predictions_init(&predictions, sizeof(predictions));

  CHECK_ERROR(mathnas_model_kind(h, &kind), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_model_input(h, &tensor), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_model_output(h, &tensor), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_model_class_count(h, &count), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_model_class_name(h, 0, &text), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_model_information(h, &text), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_plan_create(h, NULL, &plan), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_plan_input(h, &tensor), MATHNAS_BAD_HANDLE, "plan: ");
  CHECK_ERROR(mathnas_plan_output(h, &tensor), MATHNAS_BAD_HANDLE, "plan: ");
  CHECK_ERROR(mathnas_plan_get_memory(h, &memory), MATHNAS_BAD_HANDLE, "plan: ");
  CHECK_ERROR(mathnas_plan_describe(h, &text), MATHNAS_BAD_HANDLE, "plan: ");
  CHECK_ERROR(mathnas_context_create(h, NULL, &context), MATHNAS_BAD_HANDLE, "plan: ");
  CHECK_ERROR(mathnas_context_setup(h, NULL), MATHNAS_BAD_HANDLE, "context: ");
  CHECK_ERROR(mathnas_context_memory(h, &values, &values), MATHNAS_BAD_HANDLE, "context: ");
  CHECK_ERROR(mathnas_context_run(h), MATHNAS_BAD_HANDLE, "context: ");
  CHECK_ERROR(mathnas_table_node_count(h, &count), MATHNAS_BAD_HANDLE, "table: ");
  CHECK_ERROR(mathnas_table_candidate_count(h, 0, &count), MATHNAS_BAD_HANDLE, "table: ");
  CHECK_ERROR(mathnas_table_describe(h, &text), MATHNAS_BAD_HANDLE, "table: ");
  CHECK_ERROR(mathnas_search(h, NULL, &result), MATHNAS_BAD_HANDLE, "table: ");
  CHECK_ERROR(mathnas_predictor_create(h, NULL, &predictor), MATHNAS_BAD_HANDLE, "table: ");
  CHECK_ERROR(mathnas_result_get_summary(h, &summary), MATHNAS_BAD_HANDLE, "result: ");
  CHECK_ERROR(mathnas_result_json(h, &text), MATHNAS_BAD_HANDLE, "result: ");
  CHECK_ERROR(mathnas_result_network(h, 0, 0, &network), MATHNAS_BAD_HANDLE, "result: ");
  CHECK_ERROR(mathnas_result_predicted(h, 0, 0, "latency", &value), MATHNAS_BAD_HANDLE, "result: ");
  CHECK_ERROR(mathnas_predictor_run(h, &predictions), MATHNAS_BAD_HANDLE, "predictor: ");
  CHECK_ERROR(mathnas_cancel_set(h, 1), MATHNAS_BAD_HANDLE, "cancel: ");
  CHECK_ERROR(mathnas_translator_information(h, &text), MATHNAS_BAD_HANDLE, "translator: ");
  CHECK_ERROR(mathnas_translator_run(h, "x", NULL, &text, NULL), MATHNAS_BAD_HANDLE, "translator: ");
  mathnas_server_statistics_init(&server_statistics, sizeof(server_statistics));
  mathnas_subnet_init(&subnet, sizeof(subnet));
  CHECK_ERROR(mathnas_server_create(h, NULL, NULL, &server), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_server_input(h, &tensor), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_output(h, &tensor), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_run(h, NULL, NULL), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_set_limits(h, NULL, 0, NULL), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_set_budget(h, "latency", 1, NULL), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_set_subnet(h, "[]", NULL), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_prepare(h, "[]"), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_wait(h), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_work(h, &kind), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_present(h, &count), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_subnet(h, 0, &subnet), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_get_statistics(h, &server_statistics), MATHNAS_BAD_HANDLE, "server: ");
  CHECK_ERROR(mathnas_server_save_statistics(h, "x"), MATHNAS_BAD_HANDLE, "server: ");
  CHECK(mathnas_server_destroy(h) == destroyed);
  CHECK(mathnas_model_destroy(h) == destroyed);
  CHECK(mathnas_plan_destroy(h) == destroyed);
  CHECK(mathnas_context_destroy(h) == destroyed);
  CHECK(mathnas_table_destroy(h) == destroyed);
  CHECK(mathnas_result_destroy(h) == destroyed);
  CHECK(mathnas_predictor_destroy(h) == destroyed);
  CHECK(mathnas_cancel_destroy(h) == destroyed);
  CHECK(mathnas_translator_destroy(h) == destroyed);
  CHECK(plan == NULL && context == NULL && result == NULL && predictor == NULL && server == NULL && text == NULL &&
        values == NULL);
}

/* Handles of one type given to functions of all the others. */
static void test_other_types(const char* folder) {
  mathnas_model model = NULL;
  mathnas_plan plan = NULL;
  mathnas_context context = NULL;
  uint32_t count;
  int32_t kind;
  float* values;
  CHECK(mathnas_model_open(in_folder(folder, "network.mathnas"), NULL, &model) == MATHNAS_OK);
  CHECK(mathnas_plan_create(model, NULL, &plan) == MATHNAS_OK);
  CHECK(mathnas_context_create(plan, NULL, &context) == MATHNAS_OK);
  CHECK_ERROR(mathnas_model_kind((mathnas_model)(void*)plan, &kind), MATHNAS_BAD_HANDLE, "model: ");
  CHECK_ERROR(mathnas_plan_destroy((mathnas_plan)(void*)model), MATHNAS_BAD_HANDLE, "plan: ");
  CHECK_ERROR(mathnas_plan_destroy((mathnas_plan)(void*)context), MATHNAS_BAD_HANDLE, "plan: ");
  CHECK_ERROR(mathnas_context_run((mathnas_context)(void*)plan), MATHNAS_BAD_HANDLE, "context: ");
  CHECK_ERROR(mathnas_table_node_count((mathnas_table)(void*)model, &count), MATHNAS_BAD_HANDLE, "table: ");
  CHECK(mathnas_live_handles() == 3);
  CHECK(mathnas_context_memory(context, &values, NULL) == MATHNAS_OK);
  CHECK(mathnas_context_destroy(context) == MATHNAS_OK && mathnas_plan_destroy(plan) == MATHNAS_OK);
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
  check_refused(model, 0);
  check_refused(plan, 0);
  check_refused(context, 0);
}

/* A handle that was destroyed stays destroyed, though its place is given again. */
static void test_times(void) {
  enum { kTimes = 20000 };
  static mathnas_cancel old[kTimes];
  int i;
  for (i = 0; i < kTimes; ++i) {
    CHECK(mathnas_cancel_create(&old[i]) == MATHNAS_OK);
    CHECK(mathnas_cancel_set(old[i], 1) == MATHNAS_OK);
    CHECK(mathnas_cancel_destroy(old[i]) == MATHNAS_OK);
    if (failures > 0) return;
  }
  for (i = 0; i < kTimes; ++i) {
    CHECK(mathnas_cancel_set(old[i], 0) == MATHNAS_BAD_HANDLE && mathnas_cancel_destroy(old[i]) == MATHNAS_BAD_HANDLE);
    if (failures > 0) return;
  }
}

/* As many as there may be, and one more. */
static void test_most(void) {
  enum { kMost = 65536 };
  static mathnas_cancel all[kMost];
  mathnas_cancel more = (mathnas_cancel)&all[0];
  int i;
  for (i = 0; i < kMost && failures == 0; ++i) CHECK(mathnas_cancel_create(&all[i]) == MATHNAS_OK);
  CHECK_ERROR(mathnas_cancel_create(&more), MATHNAS_RESOURCE_EXHAUSTED, "at most 65536 handles");
  CHECK(more == NULL && mathnas_live_handles() == kMost);
  CHECK(mathnas_cancel_destroy(all[7]) == MATHNAS_OK && mathnas_cancel_create(&all[7]) == MATHNAS_OK);
  for (i = 0; i < kMost && failures == 0; ++i) CHECK(mathnas_cancel_destroy(all[i]) == MATHNAS_OK);
}

/* Numbers that look like handles, some of them differing in one bit from one that is alive. */
static void test_made_up(void) {
  mathnas_cancel alive = NULL;
  int local = 0, bit;
  uint64_t number = 88172645463325252u;
  CHECK(mathnas_cancel_create(&alive) == MATHNAS_OK);
  for (bit = 0; bit < 64; ++bit) {
    const uintptr_t other = (uintptr_t)alive ^ (uintptr_t)1 << bit;
    check_refused((void*)other, 0);
    check_refused((void*)((uintptr_t)1 << bit), 0);
  }
  check_refused((void*)&local, 0);
  check_refused((void*)UINTPTR_MAX, 0);
  for (bit = 0; bit < 1000; ++bit) {
    number ^= number << 13; /* xorshift64 */
    number ^= number >> 7;
    number ^= number << 17;
    check_refused((void*)(uintptr_t)number, 0);
  }
  CHECK(mathnas_live_handles() == 1);
  CHECK(mathnas_cancel_destroy(alive) == MATHNAS_OK);
  CHECK_ERROR(mathnas_cancel_destroy(alive), MATHNAS_BAD_HANDLE, "was destroyed");
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  check_refused(NULL, 1);
  CHECK_ERROR(mathnas_context_run(NULL), MATHNAS_BAD_HANDLE, "context: null, expected a handle");
  test_made_up();
  test_other_types(argv[1]);
  test_times();
  test_most();
  return finish();
}
