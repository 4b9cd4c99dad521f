/* A supernet that serves while its budget changes: which subnet, and whether every answer is that of the subnet alone,
 * as make_files computed it in double.
 *
 *   server_test FOLDER                     the tests
 *   server_test FOLDER SWITCHES SECONDS    clients alone, for at least so many changes of the budget and so long */
#include <pthread.h>
#include <time.h>

#include "check.h"

enum { kBudgets = 4, kNodes = 6, kRequests = 2, kPixels = 8 * 8 * 3, kClasses = 10, kCalibration = 16, kClients = 3 };

static const double budgets[kBudgets] = {100, 18, 9, 5}; /* those of make_files */

struct files {
  const char* folder;
  float* values;
  int32_t* choices;
  float* logits;
  uint8_t* pixels;
};

static const double mean[3] = {125, 125, 125}, deviation[3] = {60, 60, 60};

/* Options that begin without limits. */
static mathnas_server_options options_of(const struct files* files, mathnas_search_options* search) {
  mathnas_server_options options;
  CHECK(mathnas_search_options_init(search, sizeof(*search)) == MATHNAS_OK);
  CHECK(mathnas_server_options_init(&options, sizeof(options)) == MATHNAS_OK);
  search->estimator = "linear";
  options.search = search;
  options.batch = kRequests;
  options.background = 0;
  options.calibration_pixels = files->pixels;
  options.calibration_images = kCalibration;
  options.calibration_height = options.calibration_width = 8;
  options.calibration_channels = 3;
  options.calibration_mean = mean;
  options.calibration_deviation = deviation;
  options.calibration_batches = 1;
  return options;
}

static char why[2048]; /* what a server that could not be made said */

static mathnas_status make(const struct files* files, const mathnas_server_options* options, mathnas_server* server) {
  mathnas_model model = NULL;
  mathnas_table table = NULL;
  mathnas_status status;
  CHECK(mathnas_model_open(in_folder(files->folder, "supernet.safetensors"), NULL, &model) == MATHNAS_OK);
  CHECK(mathnas_table_open(in_folder(files->folder, "server_table.json"), &table) == MATHNAS_OK);
  status = mathnas_server_create(model, table, options, server);
  strcpy(why, mathnas_last_error());
  CHECK((status == MATHNAS_OK) == (*server != NULL));
  /* The server keeps what it needs of both. */
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK && mathnas_table_destroy(table) == MATHNAS_OK);
  return status;
}

static mathnas_bindings bindings_of(const float* values, int64_t rows, float* result) {
  mathnas_bindings bindings;
  CHECK(mathnas_bindings_init(&bindings, sizeof(bindings)) == MATHNAS_OK);
  bindings.rows = rows;
  bindings.input = values;
  bindings.input_bytes = (uint64_t)rows * kPixels * sizeof(float);
  bindings.output = result;
  bindings.output_bytes = (uint64_t)rows * kClasses * sizeof(float);
  return bindings;
}

static void check_answer(const struct files* files, mathnas_server server, int budget) {
  float result[kRequests * kClasses];
  mathnas_served served;
  mathnas_subnet subnet;
  const mathnas_bindings bindings = bindings_of(files->values, kRequests, result);
  memset(result, 0, sizeof(result));
  CHECK(mathnas_served_init(&served, sizeof(served)) == MATHNAS_OK);
  CHECK(mathnas_subnet_init(&subnet, sizeof(subnet)) == MATHNAS_OK);
  CHECK(mathnas_server_run(server, &bindings, &served) == MATHNAS_OK && served.milliseconds >= 0);
  CHECK(mathnas_server_subnet(server, served.subnet, &subnet) == MATHNAS_OK && subnet.choice_count == kNodes);
  CHECK(memcmp(subnet.choice, files->choices + budget * kNodes, kNodes * sizeof(int32_t)) == 0);
  CHECK(strstr(subnet.json, "{\"arch\":") == subnet.json && subnet.requests >= 1 && subnet.runs >= subnet.requests);
  CHECK(close_to(result, files->logits + budget * kRequests * kClasses, kRequests * kClasses));
}

/* Every budget, first prepared, then again. */
static void test_budgets(const struct files* files, int32_t background) {
  mathnas_search_options search;
  mathnas_server_options options = options_of(files, &search);
  mathnas_server server = NULL;
  mathnas_decision decision;
  mathnas_server_statistics statistics;
  mathnas_tensor tensor;
  uint32_t present = 99;
  int32_t worked = 1;
  int round, b;
  options.background = background;
  CHECK(make(files, &options, &server) == MATHNAS_OK);
  mathnas_tensor_init(&tensor, sizeof(tensor));
  CHECK(mathnas_server_input(server, &tensor) == MATHNAS_OK && tensor.rank == 4 && tensor.shape[0] == kRequests);
  CHECK(tensor.shape[1] == 8 && tensor.shape[3] == 3 && tensor.bytes == kRequests * kPixels * sizeof(float));
  CHECK(mathnas_server_output(server, &tensor) == MATHNAS_OK && tensor.rank == 2 && tensor.shape[1] == kClasses);
  check_answer(files, server, 0);
  mathnas_decision_init(&decision, sizeof(decision));
  for (round = 0; round < 2; ++round) {
    for (b = 1; b < kBudgets; ++b) {
      char limit[40];
      const char* limits = limit;
      snprintf(limit, sizeof(limit), "latency<=%g ms", budgets[b]);
      if (round == 0) CHECK(mathnas_server_set_limits(server, &limits, 1, &decision) == MATHNAS_OK);
      if (round == 1) CHECK(mathnas_server_set_budget(server, "latency", budgets[b], &decision) == MATHNAS_OK);
      CHECK(decision.switching == (round == 0 ? MATHNAS_PLANNED : MATHNAS_SWITCHED));
      if (round == 0 && background == 0) {
        /* What served before goes on until the next one is ready. */
        check_answer(files, server, b - 1);
        CHECK(mathnas_server_present(server, &present) == MATHNAS_OK && present != decision.subnet);
        CHECK(mathnas_server_work(server, &worked) == MATHNAS_OK && worked == 1);
        CHECK(mathnas_server_work(server, &worked) == MATHNAS_OK && worked == 0);
      }
      CHECK(mathnas_server_wait(server) == MATHNAS_OK);
      CHECK(mathnas_server_present(server, &present) == MATHNAS_OK && present == decision.subnet);
      check_answer(files, server, b);
      CHECK(mathnas_server_set_budget(server, "latency", budgets[b] + 1e-9, &decision) == MATHNAS_OK);
      CHECK(decision.switching == MATHNAS_PRESENT);
    }
  }
  /* Without a limit on the latency, the first again; the limit on the accuracy stays, and keeps it. */
  CHECK(mathnas_server_set_budget(server, "accuracy", 1, &decision) == MATHNAS_OK);
  CHECK(mathnas_server_set_budget(server, "latency", HUGE_VAL, &decision) == MATHNAS_OK && decision.objective == 90);
  check_answer(files, server, 0);
  CHECK_ERROR(mathnas_server_set_budget(server, "latency", 0.99, NULL), MATHNAS_FAILED_PRECONDITION,
              "the nearest budget that can be met");
  check_answer(files, server, 0);
  mathnas_server_statistics_init(&statistics, sizeof(statistics));
  CHECK(mathnas_server_get_statistics(server, &statistics) == MATHNAS_OK);
  CHECK(statistics.subnet_count == kBudgets && statistics.prepared == kBudgets && statistics.misses == kBudgets - 1);
  CHECK(statistics.switches == 2 * (kBudgets - 1) + 1 && statistics.hits == kBudgets && statistics.infeasible == 1);
  CHECK(statistics.failures == 0 && statistics.ready == kBudgets && statistics.last_problem[0] == '\0');
  CHECK(statistics.weight_bytes > 0 && statistics.arena_bytes > 0 && isnan(statistics.measured_ms));
  CHECK(mathnas_server_destroy(server) == MATHNAS_OK);
}

/* Subnets by name, more rows than a run has, ready ahead, and as many as may be kept. */
static void test_subnets(const struct files* files) {
  static const char* const names[3] = {"[3,3,3,3,3,3]", "[2,2,2,2,2,2]", "[1,2,3,4,2,1]"};
  mathnas_search_options search;
  mathnas_server_options options = options_of(files, &search);
  mathnas_server server = NULL;
  mathnas_decision decision;
  mathnas_server_statistics statistics;
  mathnas_bindings bindings;
  float values[3 * kPixels], result[3 * kClasses], alone[kClasses];
  int i;
  options.prepared = 2;
  CHECK(make(files, &options, &server) == MATHNAS_OK);
  memcpy(values, files->values, kRequests * kPixels * sizeof(float));
  memcpy(values + 2 * kPixels, files->values, kPixels * sizeof(float));
  bindings = bindings_of(values, 3, result);
  mathnas_decision_init(&decision, sizeof(decision));
  CHECK(mathnas_server_prepare(server, names[1]) == MATHNAS_OK);
  CHECK(mathnas_server_set_subnet(server, names[1], &decision) == MATHNAS_OK && isnan(decision.objective));
  CHECK(decision.switching == MATHNAS_SWITCHED && decision.subnet == 1);
  CHECK(mathnas_server_run(server, &bindings, NULL) == MATHNAS_OK);
  CHECK(memcmp(result, result + 2 * kClasses, kClasses * sizeof(float)) == 0); /* the same image in another run */
  bindings = bindings_of(values, 1, alone);
  CHECK(mathnas_server_run(server, &bindings, NULL) == MATHNAS_OK && close_to(alone, result, kClasses));
  for (i = 0; i < 3; ++i) {
    CHECK(mathnas_server_set_subnet(server, names[i], NULL) == MATHNAS_OK && mathnas_server_wait(server) == MATHNAS_OK);
  }
  mathnas_server_statistics_init(&statistics, sizeof(statistics));
  CHECK(mathnas_server_get_statistics(server, &statistics) == MATHNAS_OK);
  CHECK(statistics.ready == 2 && statistics.evicted == 1 && statistics.subnet_count == 3);
  CHECK_ERROR(mathnas_server_set_subnet(server, "[3,3,9,3,3,3]", NULL), MATHNAS_INVALID_ARGUMENT, "subnet: ");
  CHECK_ERROR(mathnas_server_prepare(server, NULL), MATHNAS_INVALID_ARGUMENT, "subnet: null");
  CHECK(mathnas_server_destroy(server) == MATHNAS_OK);
}

/* Statistics of batch normalisation, kept from one server to the next. */
static void test_statistics_file(const struct files* files) {
  mathnas_search_options search;
  mathnas_server_options options = options_of(files, &search);
  mathnas_server server = NULL;
  mathnas_server_statistics statistics;
  const char* const path = in_folder(files->folder, "server_statistics.safetensors");
  CHECK(make(files, &options, &server) == MATHNAS_OK);
  CHECK(mathnas_server_set_budget(server, "latency", budgets[2], NULL) == MATHNAS_OK);
  CHECK(mathnas_server_wait(server) == MATHNAS_OK && mathnas_server_save_statistics(server, path) == MATHNAS_OK);
  CHECK(mathnas_server_save_statistics(server, "/no/such/folder/f") != MATHNAS_OK);
  CHECK(mathnas_server_destroy(server) == MATHNAS_OK);
  options.calibration_pixels = NULL;
  CHECK(make(files, &options, &server) == MATHNAS_FAILED_PRECONDITION);
  CHECK(strstr(why, "no statistics of its own") != NULL);
  options.statistics_file = path;
  CHECK(make(files, &options, &server) == MATHNAS_OK);
  check_answer(files, server, 0);
  CHECK(mathnas_server_set_budget(server, "latency", budgets[2], NULL) == MATHNAS_OK);
  CHECK(mathnas_server_wait(server) == MATHNAS_OK);
  check_answer(files, server, 2);
  /* One without: what serves goes on. */
  CHECK(mathnas_server_set_budget(server, "latency", budgets[3], NULL) == MATHNAS_OK);
  CHECK_ERROR(mathnas_server_wait(server), MATHNAS_FAILED_PRECONDITION, "no statistics of its own");
  check_answer(files, server, 2);
  mathnas_server_statistics_init(&statistics, sizeof(statistics));
  CHECK(mathnas_server_get_statistics(server, &statistics) == MATHNAS_OK && statistics.failures == 1);
  CHECK(strstr(statistics.last_problem, "preparing {") == statistics.last_problem);
  CHECK(mathnas_server_destroy(server) == MATHNAS_OK);
}

/* A machine whose speed the test sets: time moves by `step` whenever somebody looks. */
struct machine {
  double now, step;
};
static double look(void* user) {
  struct machine* machine = user;
  return machine->now += machine->step;
}

static void serve(const struct files* files, mathnas_server server, struct machine* machine, int requests,
                  double milliseconds) {
  float result[kRequests * kClasses];
  const mathnas_bindings bindings = bindings_of(files->values, kRequests, result);
  int i;
  for (i = 0; i < requests; ++i) {
    machine->step = 1e-3 * milliseconds;
    CHECK(mathnas_server_run(server, &bindings, NULL) == MATHNAS_OK);
    machine->step = 0;
    CHECK(mathnas_server_wait(server) == MATHNAS_OK);
  }
}

/* As make_files has it in the table. */
static double latency_of(const int32_t* choice) {
  double sum = 1;
  int edge;
  for (edge = 0; edge < kNodes; ++edge) {
    const double values[5] = {0, 0.1, 1 + 0.01 * edge, 4 + 0.02 * edge, 0.5};
    sum += values[choice[edge]];
  }
  return sum;
}

static void test_follows_latency(const struct files* files) {
  mathnas_search_options search;
  mathnas_server_options options = options_of(files, &search);
  mathnas_server server = NULL;
  mathnas_server_statistics statistics;
  mathnas_subnet subnet;
  uint32_t present = 0;
  struct machine machine = {0, 0};
  const char* limit = "latency<=18";
  search.limits = &limit;
  search.limit_count = 1;
  options.follow = "latency";
  options.follow_warmup = 2;
  options.follow_window = 5;
  options.follow_dwell = 0.1;
  options.clock = look;
  options.clock_user = &machine;
  CHECK(make(files, &options, &server) == MATHNAS_OK);
  mathnas_server_statistics_init(&statistics, sizeof(statistics));
  mathnas_subnet_init(&subnet, sizeof(subnet));
  serve(files, server, &machine, 50, 17.5); /* about as predicted */
  CHECK(mathnas_server_get_statistics(server, &statistics) == MATHNAS_OK && statistics.switches == 0);
  CHECK(fabs(statistics.measured_ms - 17.5) < 1e-6);
  check_answer(files, server, 1);
  serve(files, server, &machine, 12, 35); /* twice as slow: what is predicted at half the limit is taken */
  CHECK(mathnas_server_get_statistics(server, &statistics) == MATHNAS_OK);
  CHECK(statistics.followed == 1 && fabs(statistics.latency_factor - 35 / latency_of(files->choices + kNodes)) < 1e-6);
  CHECK(mathnas_server_present(server, &present) == MATHNAS_OK);
  CHECK(mathnas_server_subnet(server, present, &subnet) == MATHNAS_OK);
  CHECK(statistics.latency_factor * latency_of(subnet.choice) <= 18);
  CHECK(mathnas_server_destroy(server) == MATHNAS_OK);
  options.follow_window = 0;
  CHECK(make(files, &options, &server) == MATHNAS_INVALID_ARGUMENT && strstr(why, "window") != NULL);
  options.follow_window = 5;
  options.follow = "energy";
  CHECK(make(files, &options, &server) == MATHNAS_INVALID_ARGUMENT && strstr(why, "\"energy\"") != NULL);
}

/* Clients that compare every answer with that of its subnet, while subnets change, until the server is gone. */
struct client {
  const struct files* files;
  mathnas_server server;
  long answered, wrong;
};
static void* ask(void* argument) {
  struct client* client = argument;
  float result[kRequests * kClasses];
  const mathnas_bindings bindings = bindings_of(client->files->values, kRequests, result);
  mathnas_status status = MATHNAS_OK;
  mathnas_served served;
  mathnas_served_init(&served, sizeof(served));
  while (status == MATHNAS_OK) {
    memset(result, 0, sizeof(result));
    status = mathnas_server_run(client->server, &bindings, &served);
    if (status != MATHNAS_OK) break;
    client->wrong +=
        served.subnet >= kBudgets || /* each was named in the order of the budgets */
        !close_to(result, client->files->logits + served.subnet * kRequests * kClasses, kRequests * kClasses);
    ++client->answered;
  }
  client->wrong += status != MATHNAS_BAD_HANDLE;
  return NULL;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void test_clients(const struct files* files, long changes, double least_seconds) {
  mathnas_search_options search;
  mathnas_server_options options = options_of(files, &search);
  mathnas_server server = NULL;
  struct client clients[kClients];
  pthread_t threads[kClients];
  const double begin = seconds();
  mathnas_server_statistics statistics;
  int i;
  long change, answered = 0;
  unsigned random = 1;
  options.background = 1;
  options.lanes = 2;
  options.prepared = 2; /* so that they are prepared over and over */
  CHECK(make(files, &options, &server) == MATHNAS_OK);
  for (i = 0; i < kBudgets; ++i) {
    CHECK(mathnas_server_set_budget(server, "latency", budgets[i], NULL) == MATHNAS_OK);
  }
  for (i = 0; i < kClients; ++i) {
    const struct client client = {files, server, 0, 0};
    clients[i] = client;
    pthread_create(&threads[i], NULL, ask, &clients[i]);
  }
  for (change = 0; change < changes || seconds() - begin < least_seconds; ++change) {
    random = random * 1103515245u + 12345u;
    CHECK(mathnas_server_set_budget(server, "latency", budgets[(random >> 16) % kBudgets], NULL) == MATHNAS_OK);
    if (change % 3 != 0) CHECK(mathnas_server_wait(server) == MATHNAS_OK); /* otherwise another is asked for at once */
    if (failures > 0) break;
  }
  mathnas_server_statistics_init(&statistics, sizeof(statistics));
  CHECK(mathnas_server_get_statistics(server, &statistics) == MATHNAS_OK && statistics.failed_requests == 0);
  /* Gone while they ask: requests that run are answered, others refused. */
  CHECK(mathnas_server_destroy(server) == MATHNAS_OK);
  for (i = 0; i < kClients; ++i) {
    pthread_join(threads[i], NULL);
    CHECK(clients[i].wrong == 0);
    answered += clients[i].answered;
  }
  CHECK(answered > 0);
  printf("%.0f s, %ld changes of the budget, %ld switches, %ld subnets prepared, %ld answers\n", seconds() - begin,
         change, (long)statistics.switches, (long)statistics.prepared, answered);
}

static void test_errors(const struct files* files) {
  mathnas_search_options search;
  mathnas_server_options options = options_of(files, &search), wrong;
  mathnas_model model = NULL, own = NULL;
  mathnas_table table = NULL, other = NULL;
  mathnas_server server = NULL;
  mathnas_bindings bindings;
  mathnas_subnet subnet;
  float result[kRequests * kClasses];
  const char* limit = "latency<=0.5";
  static const char two[] =
      "{\"format\": \"mathnas-block-table/1\", \"space\": \"nasbench201\", \"nodes\": [{\"name\": \"n\", "
      "\"candidates\": [\"a\"], \"reference\": 0}], \"metrics\": {\"accuracy\": {\"unit\": \"%\", \"goal\": \"max\", "
      "\"form\": \"cost\", \"base\": 1, \"values\": [[0]]}}}";
  CHECK(mathnas_model_open(in_folder(files->folder, "supernet.safetensors"), NULL, &model) == MATHNAS_OK);
  CHECK(mathnas_model_open(in_folder(files->folder, "own.safetensors"), NULL, &own) == MATHNAS_OK);
  CHECK(mathnas_table_open(in_folder(files->folder, "server_table.json"), &table) == MATHNAS_OK);
  CHECK(mathnas_table_read(two, sizeof(two) - 1, &other) == MATHNAS_OK);
  CHECK_ERROR(mathnas_server_create(model, table, &options, NULL), MATHNAS_INVALID_ARGUMENT, "server: null");
  CHECK_ERROR(mathnas_server_create(own, table, &options, &server), MATHNAS_FAILED_PRECONDITION, "expected a supernet");
  CHECK_ERROR(mathnas_server_create(model, other, &options, &server), MATHNAS_INVALID_ARGUMENT, "1 nodes");
  CHECK_ERROR(mathnas_server_create(model, table, NULL, &server), MATHNAS_FAILED_PRECONDITION, "no statistics");
  wrong = options;
  wrong.lanes = 0;
  CHECK_ERROR(mathnas_server_create(model, table, &wrong, &server), MATHNAS_INVALID_ARGUMENT, "lanes: 0");
  wrong = options;
  wrong.background = 2;
  CHECK_ERROR(mathnas_server_create(model, table, &wrong, &server), MATHNAS_INVALID_ARGUMENT, "background: 2");
  wrong = options;
  wrong.blocks = "cpu";
  CHECK_ERROR(mathnas_server_create(model, table, &wrong, &server), MATHNAS_INVALID_ARGUMENT, "blocks: nasbench201");
  wrong = options;
  wrong.calibration_data = "synthetic";
  CHECK_ERROR(mathnas_server_create(model, table, &wrong, &server), MATHNAS_INVALID_ARGUMENT, "expected one of them");
  wrong.calibration_pixels = NULL; /* images of another size */
  CHECK_ERROR(mathnas_server_create(model, table, &wrong, &server), MATHNAS_INVALID_ARGUMENT, "synthetic");
  wrong = options;
  wrong.calibration_width = 0;
  CHECK_ERROR(mathnas_server_create(model, table, &wrong, &server), MATHNAS_INVALID_ARGUMENT, "calibration_width: 0");
  wrong = options;
  wrong.calibration_images = INT64_MAX;
  CHECK_ERROR(mathnas_server_create(model, table, &wrong, &server), MATHNAS_INVALID_ARGUMENT, "calibration_images");
  search.limits = &limit;
  search.limit_count = 1;
  CHECK_ERROR(mathnas_server_create(model, table, &options, &server), MATHNAS_FAILED_PRECONDITION, "latency<=0.5");
  CHECK(server == NULL);
  search.limit_count = 0;
  CHECK(mathnas_server_create(model, table, &options, &server) == MATHNAS_OK);

  bindings = bindings_of(files->values, 1, result);
  bindings.rows = 0; /* the batch */
  CHECK_ERROR(mathnas_server_run(server, &bindings, NULL), MATHNAS_INVALID_ARGUMENT, "expected 1536 and 80 for 2");
  bindings.rows = -1;
  CHECK_ERROR(mathnas_server_run(server, &bindings, NULL), MATHNAS_INVALID_ARGUMENT, "rows: -1");
  bindings = bindings_of(files->values, 1, NULL);
  CHECK_ERROR(mathnas_server_run(server, &bindings, NULL), MATHNAS_INVALID_ARGUMENT, "output: null");
  CHECK_ERROR(mathnas_server_run(server, NULL, NULL), MATHNAS_INVALID_ARGUMENT, "input: null");
  bindings = bindings_of(files->values, 1, result);
  bindings.input_type = MATHNAS_U8;
  CHECK_ERROR(mathnas_server_run(server, &bindings, NULL), MATHNAS_INVALID_ARGUMENT, "input_type");
  CHECK_ERROR(mathnas_server_set_limits(server, NULL, 1, NULL), MATHNAS_INVALID_ARGUMENT, "limits: null");
  CHECK_ERROR(mathnas_server_set_budget(server, "mass", 1, NULL), MATHNAS_INVALID_ARGUMENT, "metric: \"mass\"");
  CHECK_ERROR(mathnas_server_set_budget(server, "latency", NAN, NULL), MATHNAS_INVALID_ARGUMENT, "not a number");
  CHECK_ERROR(mathnas_server_set_budget(server, NULL, 1, NULL), MATHNAS_INVALID_ARGUMENT, "metric: null");
  CHECK_ERROR(mathnas_server_present(server, NULL), MATHNAS_INVALID_ARGUMENT, "subnet: null");
  CHECK_ERROR(mathnas_server_get_statistics(server, NULL), MATHNAS_INVALID_ARGUMENT, "server statistics: null");
  CHECK_ERROR(mathnas_server_save_statistics(server, NULL), MATHNAS_INVALID_ARGUMENT, "path: null");
  mathnas_subnet_init(&subnet, sizeof(subnet));
  CHECK_ERROR(mathnas_server_subnet(server, 1, &subnet), MATHNAS_INVALID_ARGUMENT, "subnet 1: the server has named 1");
  CHECK(mathnas_server_destroy(server) == MATHNAS_OK && mathnas_table_destroy(other) == MATHNAS_OK);
  CHECK_ERROR(mathnas_server_wait(server), MATHNAS_BAD_HANDLE, "server: ");
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK && mathnas_model_destroy(own) == MATHNAS_OK);
  CHECK(mathnas_table_destroy(table) == MATHNAS_OK);
}

int main(int argc, char** argv) {
  struct files files;
  if (argc != 2 && argc != 4) return 2;
  files.folder = argv[1];
  files.values = read_file(in_folder(argv[1], "server_values.f32"), NULL);
  files.choices = read_file(in_folder(argv[1], "server_choices.i32"), NULL);
  files.logits = read_file(in_folder(argv[1], "server_logits.f32"), NULL);
  files.pixels = read_file(in_folder(argv[1], "server_pixels.u8"), NULL);
  if (argc == 4) {
    test_clients(&files, atol(argv[2]), atof(argv[3]));
    return finish();
  }
  test_budgets(&files, 0);
  test_budgets(&files, 1);
  test_subnets(&files);
  test_statistics_file(&files);
  test_follows_latency(&files);
  test_clients(&files, 300, 0);
  test_errors(&files);
  free(files.values);
  free(files.choices);
  free(files.logits);
  free(files.pixels);
  return finish();
}
