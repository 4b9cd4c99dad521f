/* Block tables, searches and predictions, on a table of known answers, and against all its networks where there are
 * more. The second argument is the folder of the published tables. */
#include <math.h>
#include <pthread.h>

#include "check.h"

/* Accuracy 70 + (0, 4) + (0, 5), latency 1 + (0, 1) + (0, 2). */
static const char* const two_nodes =
    "{\"format\": \"mathnas-block-table/1\", \"space\": \"two\", \"nodes\": ["
    "{\"name\": \"first\", \"candidates\": [\"small\", \"large\"], \"reference\": 0},"
    "{\"name\": \"second\", \"candidates\": [\"small\", \"large\"], \"reference\": 0}],"
    "\"metrics\": {"
    "\"accuracy\": {\"unit\": \"%\", \"goal\": \"max\", \"form\": \"cost\", \"base\": 70, \"values\": [[0, 4], [0, "
    "5]]},"
    "\"latency\": {\"unit\": \"ms\", \"goal\": \"min\", \"form\": \"cost\", \"base\": 1, \"values\": [[0, 1], [0, "
    "2]]}}}";

static mathnas_table read_two_nodes(void) {
  mathnas_table table = NULL;
  CHECK(mathnas_table_read(two_nodes, strlen(two_nodes), &table) == MATHNAS_OK);
  return table;
}

static void test_description(void) {
  mathnas_table table = read_two_nodes();
  const char* text = NULL;
  uint32_t count = 0;
  CHECK(mathnas_table_node_count(table, &count) == MATHNAS_OK && count == 2);
  CHECK(mathnas_table_candidate_count(table, 1, &count) == MATHNAS_OK && count == 2);
  CHECK_ERROR(mathnas_table_candidate_count(table, 2, &count), MATHNAS_INVALID_ARGUMENT, "node 2: the table has 2");
  CHECK(mathnas_table_describe(table, &text) == MATHNAS_OK);
  CHECK(
      strcmp(text,
             "{\"space\":\"two\",\"nodes\":[{\"name\":\"first\",\"candidates\":[\"small\",\"large\"],\"reference\":0},"
             "{\"name\":\"second\",\"candidates\":[\"small\",\"large\"],\"reference\":0}],\"shared\":null,\"metrics\":"
             "{\"accuracy\":{\"unit\":\"%\",\"goal\":\"max\"},\"latency\":{\"unit\":\"ms\",\"goal\":\"min\"}}}") == 0);
  CHECK_ERROR(mathnas_table_describe(table, NULL), MATHNAS_INVALID_ARGUMENT, "json: null");
  CHECK_ERROR(mathnas_table_node_count(table, NULL), MATHNAS_INVALID_ARGUMENT, "count: null");
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK);
  CHECK_ERROR(mathnas_table_read(two_nodes, strlen(two_nodes) - 1, &table), MATHNAS_INVALID_ARGUMENT, "memory: ");
  CHECK_ERROR(mathnas_table_read(NULL, 3, &table), MATHNAS_INVALID_ARGUMENT, "text: null");
  CHECK_ERROR(mathnas_table_open("no/such/table.json", &table), MATHNAS_INVALID_ARGUMENT, "no/such/table.json");
  CHECK(table == NULL);
}

static void test_search(void) {
  mathnas_table table = read_two_nodes();
  mathnas_result result = NULL;
  mathnas_search_options options;
  mathnas_result_summary summary;
  mathnas_network network;
  const char* limits[] = {"latency<=3.5 ms"};
  const char* fixed[] = {"first=large"};
  const char* fronts[] = {"latency"};
  const char* text = NULL;
  double value = 0;
  mathnas_search_options_init(&options, sizeof(options));
  mathnas_result_summary_init(&summary, sizeof(summary));
  mathnas_network_init(&network, sizeof(network));
  options.estimator = "linear";
  options.limits = limits;
  options.limit_count = 1;
  options.top = 3;
  CHECK(mathnas_search(table, &options, &result) == MATHNAS_OK);
  CHECK(mathnas_result_get_summary(result, &summary) == MATHNAS_OK);
  CHECK(summary.outcome == MATHNAS_OPTIMAL && summary.network_count == 3 && summary.front_count == 0);
  CHECK(summary.objective == 75 && summary.bound == 75 && summary.gap == 0 && summary.explored > 0);
  CHECK(mathnas_result_network(result, MATHNAS_NETWORKS, 0, &network) == MATHNAS_OK);
  CHECK(network.choice_count == 2 && network.choice[0] == 0 && network.choice[1] == 1 && network.objective == 75);
  CHECK(mathnas_result_predicted(result, MATHNAS_NETWORKS, 0, "latency", &value) == MATHNAS_OK && value == 3);
  CHECK(mathnas_result_network(result, MATHNAS_NETWORKS, 1, &network) == MATHNAS_OK && network.objective == 74);
  CHECK(mathnas_result_json(result, &text) == MATHNAS_OK && strstr(text, "\"optimal\"") != NULL);
  CHECK_ERROR(mathnas_result_network(result, MATHNAS_NETWORKS, 3, &network), MATHNAS_INVALID_ARGUMENT, "network 3");
  CHECK_ERROR(mathnas_result_network(result, MATHNAS_FRONT, 0, &network), MATHNAS_INVALID_ARGUMENT, "network 0");
  CHECK_ERROR(mathnas_result_network(result, 2, 0, &network), MATHNAS_INVALID_ARGUMENT, "list 2");
  CHECK_ERROR(mathnas_result_predicted(result, 0, 0, "energy", &value), MATHNAS_NOT_FOUND, "energy");
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK); /* the result does not need it */
  CHECK(mathnas_result_json(result, &text) == MATHNAS_OK);
  CHECK(mathnas_result_destroy(result) == MATHNAS_OK);

  table = read_two_nodes();
  options.fixed = fixed;
  options.fixed_count = 1;
  CHECK(mathnas_search(table, &options, &result) == MATHNAS_OK);
  CHECK(mathnas_result_get_summary(result, &summary) == MATHNAS_OK && summary.objective == 74);
  CHECK(mathnas_result_destroy(result) == MATHNAS_OK);
  options.fixed_count = 0;
  options.forbidden = fixed;
  options.forbidden_count = 1;
  CHECK(mathnas_search(table, &options, &result) == MATHNAS_OK);
  CHECK(mathnas_result_get_summary(result, &summary) == MATHNAS_OK && summary.network_count == 2);
  CHECK(mathnas_result_destroy(result) == MATHNAS_OK);
  options.forbidden_count = 0;
  options.limit_count = 0;
  options.fronts = fronts;
  options.front_count = 1;
  CHECK(mathnas_search(table, &options, &result) == MATHNAS_OK);
  CHECK(mathnas_result_get_summary(result, &summary) == MATHNAS_OK && summary.front_count == 4);
  CHECK(mathnas_result_network(result, MATHNAS_FRONT, 0, &network) == MATHNAS_OK && network.objective == 70);
  CHECK(mathnas_result_destroy(result) == MATHNAS_OK);
  options.front_count = 0;

  limits[0] = "latency<=0.5";
  options.limit_count = 1;
  CHECK(mathnas_search(table, &options, &result) == MATHNAS_OK);
  CHECK(mathnas_result_get_summary(result, &summary) == MATHNAS_OK);
  CHECK(summary.outcome == MATHNAS_INFEASIBLE && summary.network_count == 0 && isnan(summary.objective));
  CHECK(mathnas_result_json(result, &text) == MATHNAS_OK && strstr(text, "nearest") != NULL);
  CHECK(mathnas_result_destroy(result) == MATHNAS_OK);
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK);
}

static void test_wrong_searches(void) {
  mathnas_table table = read_two_nodes();
  mathnas_result result = NULL;
  mathnas_search_options options;
  const char* texts[] = {"latency<=3.5 s", NULL};
  mathnas_search_options_init(&options, sizeof(options));
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "flops"); /* eq6 divides by it */
  options.estimator = "linear";
  options.limits = texts;
  options.limit_count = 1;
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "ms");
  options.limit_count = 2;
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "limits[1]: null");
  options.limits = NULL;
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "limits: null");
  options.limit_count = 0;
  options.estimator = "eq7";
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "estimator: expected one of");
  options.estimator = NULL;
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "estimator: null");
  options.estimator = "linear";
  options.objective = "beauty";
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "beauty");
  options.objective = "accuracy";
  options.time_limit = -1;
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "time_limit: -1");
  options.time_limit = NAN;
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "time_limit: nan");
  options.time_limit = INFINITY;
  options.top = 0;
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_INVALID_ARGUMENT, "top");
  CHECK(result == NULL);
  CHECK_ERROR(mathnas_search(table, &options, NULL), MATHNAS_INVALID_ARGUMENT, "result: null");
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK);
}

static void test_cancel(const char* tables) {
  mathnas_table table = NULL;
  mathnas_result result = NULL;
  mathnas_cancel cancel = NULL;
  mathnas_search_options options;
  CHECK(mathnas_table_open(in_folder(tables, "nasbench201.json"), &table) == MATHNAS_OK);
  CHECK(mathnas_cancel_create(&cancel) == MATHNAS_OK);
  mathnas_search_options_init(&options, sizeof(options));
  options.cancel = cancel;
  CHECK(mathnas_cancel_set(cancel, 1) == MATHNAS_OK);
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_CANCELLED, "");
  CHECK(mathnas_cancel_set(cancel, 0) == MATHNAS_OK);
  CHECK(mathnas_search(table, &options, &result) == MATHNAS_OK);
  CHECK(mathnas_result_destroy(result) == MATHNAS_OK);
  CHECK(mathnas_cancel_destroy(cancel) == MATHNAS_OK);
  CHECK_ERROR(mathnas_search(table, &options, &result), MATHNAS_BAD_HANDLE, "cancel: ");
  CHECK_ERROR(mathnas_cancel_create(NULL), MATHNAS_INVALID_ARGUMENT, "cancel: null");
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK);
}

enum { kNodes = 6, kNetworks = 15625, kTasks = 4 };

struct task {
  mathnas_task run;
  void* argument;
  int64_t index;
};

static void* run_task(void* argument) {
  const struct task* t = argument;
  t->run(t->argument, t->index);
  return NULL;
}

/* Each task on a thread of its own, but for `user` of them, which are forgotten. */
static void on_threads(void* user, int64_t count, mathnas_task run, void* argument) {
  pthread_t threads[kTasks];
  struct task tasks[kTasks];
  int64_t i;
  CHECK(count >= 2 && count <= kTasks);
  count -= user == NULL ? 0 : *(int*)user;
  run(argument, -1); /* not asked for: does nothing */
  run(argument, 1000);
  for (i = 0; i < count; ++i) {
    tasks[i].run = run;
    tasks[i].argument = argument;
    tasks[i].index = i;
    pthread_create(&threads[i], NULL, run_task, &tasks[i]);
  }
  for (i = 0; i < count; ++i) pthread_join(threads[i], NULL);
}

/* Every network of a space: what is predicted of it is what searches find, whatever types and threads are used. */
static void test_predictions(const char* tables) {
  const char* metrics[] = {"accuracy", "flops"};
  const char* limits[] = {"flops<=60"};
  static uint8_t bytes[kNetworks][8];
  static uint16_t words[kNetworks][kNodes];
  static double doubles[2][kNetworks + 3], others[2][kNetworks];
  static float floats[2][kNetworks];
  mathnas_table table = NULL;
  mathnas_predictor predictor = NULL;
  mathnas_predictor_options options;
  mathnas_predictions p;
  mathnas_result result = NULL;
  mathnas_search_options search;
  mathnas_result_summary summary;
  double best = -1;
  int i, n, code, forgotten = 1, threads;
  CHECK(mathnas_table_open(in_folder(tables, "nasbench201.json"), &table) == MATHNAS_OK);
  mathnas_predictor_options_init(&options, sizeof(options));
  options.metrics = metrics;
  options.metric_count = 2;
  CHECK(mathnas_predictor_create(table, &options, &predictor) == MATHNAS_OK);
  for (i = 0; i < kNetworks; ++i) {
    for (n = 0, code = i; n < kNodes; ++n, code /= 5) bytes[i][n] = (uint8_t)(words[i][n] = (uint16_t)(code % 5));
  }
  mathnas_predictions_init(&p, sizeof(p));
  p.choice_type = MATHNAS_U8;
  p.choices = bytes;
  p.choice_stride = 8;
  p.rows = kNetworks;
  p.values = doubles;
  p.value_stride = kNetworks + 3;
  CHECK(mathnas_predictor_run(predictor, &p) == MATHNAS_OK);

  p.choice_type = MATHNAS_U16;
  p.choices = words;
  p.choice_stride = 0;
  p.value_stride = 0;
  for (threads = 1; threads <= kTasks; threads += 3) {
    int hooked;
    for (hooked = 0; hooked < 2; ++hooked) {
      memset(others, 0x5a, sizeof(others));
      memset(floats, 0x5a, sizeof(floats));
      p.threads = threads;
      p.parallel_for = hooked ? on_threads : NULL;
      p.value_type = MATHNAS_F64;
      p.values = others;
      CHECK(mathnas_predictor_run(predictor, &p) == MATHNAS_OK);
      p.value_type = MATHNAS_F32;
      p.values = floats;
      CHECK(mathnas_predictor_run(predictor, &p) == MATHNAS_OK);
      for (n = 0; n < 2; ++n) {
        for (i = 0; i < kNetworks; ++i) {
          const double value = doubles[n][i];
          if (isnan(value) ? !isnan(others[n][i]) || !isnan(floats[n][i])
                           : others[n][i] != value || floats[n][i] != (float)value) {
            CHECK(i < 0 && "another value");
            i = kNetworks;
          }
        }
      }
    }
  }

  p.parallel_user = &forgotten;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_FAILED_PRECONDITION, "parallel_for returned before task");
  p.parallel_user = NULL;
  words[9999][2] = 5;
  words[15000][0] = 7;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "9999");
  p.parallel_for = NULL;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "9999");
  p.rows = 0;
  CHECK(mathnas_predictor_run(predictor, &p) == MATHNAS_OK);

  for (i = 0; i < kNetworks; ++i) {
    if (doubles[1][i] <= 60 && doubles[0][i] > best) best = doubles[0][i];
  }
  mathnas_search_options_init(&search, sizeof(search));
  search.limits = limits;
  search.limit_count = 1;
  mathnas_result_summary_init(&summary, sizeof(summary));
  CHECK(mathnas_search(table, &search, &result) == MATHNAS_OK);
  CHECK(mathnas_result_get_summary(result, &summary) == MATHNAS_OK && summary.outcome == MATHNAS_OPTIMAL);
  CHECK(fabs(summary.objective - best) <= 1e-12 * best);
  CHECK(mathnas_result_destroy(result) == MATHNAS_OK);
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK); /* the predictor does not need it */
  CHECK(mathnas_predictor_destroy(predictor) == MATHNAS_OK);
}

static void test_wrong_predictions(void) {
  mathnas_table table = read_two_nodes();
  mathnas_predictor predictor = NULL;
  mathnas_predictor_options options;
  mathnas_predictions p;
  const char* metrics[] = {"accuracy"};
  uint8_t choices[2] = {0, 1};
  double values[2];
  mathnas_predictor_options_init(&options, sizeof(options));
  CHECK_ERROR(mathnas_predictor_create(table, &options, &predictor), MATHNAS_INVALID_ARGUMENT, "metric");
  options.metrics = metrics;
  options.metric_count = 1;
  options.estimator = "interaction"; /* the table has no cell: the same as eq6, which needs FLOPs */
  CHECK_ERROR(mathnas_predictor_create(table, &options, &predictor), MATHNAS_INVALID_ARGUMENT, "flops");
  options.estimator = "linear";
  options.shared_index = 1;
  CHECK_ERROR(mathnas_predictor_create(table, &options, &predictor), MATHNAS_INVALID_ARGUMENT, "shared_index: 1");
  options.shared_index = 0;
  options.flops_fixed = "perhaps";
  CHECK_ERROR(mathnas_predictor_create(table, &options, &predictor), MATHNAS_INVALID_ARGUMENT, "perhaps");
  options.flops_fixed = "include";
  CHECK(mathnas_predictor_create(table, &options, &predictor) == MATHNAS_OK);
  mathnas_predictions_init(&p, sizeof(p));
  p.choices = choices;
  p.values = values;
  p.rows = 1;
  CHECK(mathnas_predictor_run(predictor, &p) == MATHNAS_OK && values[0] == 75);
  p.rows = -1;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "rows: -1");
  p.rows = INT64_MAX;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "rows: 9223372036854775807");
  p.rows = 1;
  p.choice_stride = 1;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "stride");
  p.choice_stride = INT64_MAX;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "choice_stride");
  p.choice_stride = 0;
  p.value_stride = INT64_MAX;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "value_stride");
  p.value_stride = 0;
  p.choice_type = MATHNAS_F32;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "choice_type: 0");
  p.choice_type = MATHNAS_U8;
  p.value_type = MATHNAS_U8;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "value_type: 2");
  p.value_type = MATHNAS_F64;
  p.values = (char*)values + 4;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "alignment");
  p.values = NULL;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "values: null");
  p.values = values;
  p.choices = NULL;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "choices: null");
  p.choices = choices;
  p.threads = 0;
  CHECK_ERROR(mathnas_predictor_run(predictor, &p), MATHNAS_INVALID_ARGUMENT, "threads: 0");
  CHECK(mathnas_predictor_destroy(predictor) == MATHNAS_OK && mathnas_table_destroy(table) == MATHNAS_OK);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  test_description();
  test_search();
  test_wrong_searches();
  test_cancel(argv[2]);
  test_predictions(argv[2]);
  test_wrong_predictions();
  return finish();
}
