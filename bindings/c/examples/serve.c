/* Serves a network at three speeds.
 *
 *   serve SUPERNET TABLE LIMIT LIMIT LIMIT
 *
 * For each limit, such as 'latency<=3', the best network of the block table is searched and prepared from the weights
 * of the supernet. Three threads then answer requests, each on contexts of its own over the shared plans, and take the
 * network that the load allows: here simply one after the other. What is printed is what a server would log.
 *
 * The networks' batch normalisation is that of the supernet: a real server has recalibrated networks deployed, one file
 * for each budget, and opens those instead. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mathnas.h"

enum { kBudgets = 3, kThreads = 3, kRequests = 100 };

struct service {
  mathnas_plan plans[kBudgets];
  size_t input_bytes[kBudgets];
  size_t output_bytes[kBudgets];
};

struct worker {
  const struct service* service;
  int failed;
  int served[kBudgets];
  double sum; /* of the answers, so that they are looked at */
};

static int failed(mathnas_status status, const char* what) {
  if (status == MATHNAS_OK) return 0;
  fprintf(stderr, "%s: %s: %s\n", what, mathnas_status_name(status), mathnas_last_error());
  return 1;
}

static void log_line(void* user, int32_t level, const char* text) {
  (void)user;
  printf("%s: %s\n", level == MATHNAS_LOG_WARNING ? "warning" : "note", text);
}

/* The best network within one limit, as a plan. */
static int prepare(mathnas_model model, mathnas_table table, const char* limit, struct service* service, int budget) {
  mathnas_search_options search;
  mathnas_result_summary summary;
  mathnas_network network;
  mathnas_plan_options options;
  mathnas_tensor input, output;
  mathnas_result result = NULL;
  const char* json = NULL;
  int wrong;
  mathnas_search_options_init(&search, sizeof(search));
  mathnas_result_summary_init(&summary, sizeof(summary));
  mathnas_network_init(&network, sizeof(network));
  mathnas_plan_options_init(&options, sizeof(options));
  mathnas_tensor_init(&input, sizeof(input));
  mathnas_tensor_init(&output, sizeof(output));
  search.limits = &limit;
  search.limit_count = 1;
  if (failed(mathnas_search(table, &search, &result), limit)) return 1;
  wrong = failed(mathnas_result_get_summary(result, &summary), limit);
  if (!wrong && summary.network_count == 0) {
    mathnas_result_json(result, &json);
    fprintf(stderr, "%s: no network: %s\n", limit, json);
    wrong = 1;
  }
  if (!wrong) {
    wrong = failed(mathnas_result_network(result, MATHNAS_NETWORKS, 0, &network), limit);
    options.choice = network.choice;
    options.choice_count = network.choice_count;
    wrong = wrong || failed(mathnas_plan_create(model, &options, &service->plans[budget]), limit) ||
            failed(mathnas_plan_input(service->plans[budget], &input), limit) ||
            failed(mathnas_plan_output(service->plans[budget], &output), limit);
    service->input_bytes[budget] = (size_t)input.bytes;
    service->output_bytes[budget] = (size_t)output.bytes;
  }
  if (!wrong)
    printf("%s: predicted accuracy %.2f, proven: none better than %.2f\n", limit, summary.objective, summary.bound);
  mathnas_result_destroy(result); /* the network's choice with it */
  return wrong;
}

static void* work(void* argument) {
  struct worker* worker = argument;
  const struct service* service = worker->service;
  mathnas_context contexts[kBudgets] = {NULL, NULL, NULL};
  float* inputs[kBudgets];
  float* outputs[kBudgets];
  int request, b;
  for (b = 0; b < kBudgets; ++b) {
    if (failed(mathnas_context_create(service->plans[b], NULL, &contexts[b]), "context") ||
        failed(mathnas_context_memory(contexts[b], &inputs[b], &outputs[b]), "context")) {
      worker->failed = 1;
    }
  }
  /* From here on nothing is allocated and no lock is taken. */
  for (request = 0; request < kRequests && !worker->failed; ++request) {
    size_t i;
    b = request % kBudgets;
    for (i = 0; i < service->input_bytes[b] / sizeof(float); ++i)
      inputs[b][i] = (float)((i + (size_t)request) % 7) - 3.0f;
    if (failed(mathnas_context_run(contexts[b]), "request")) worker->failed = 1;
    for (i = 0; i < service->output_bytes[b] / sizeof(float); ++i) worker->sum += outputs[b][i];
    ++worker->served[b];
  }
  for (b = 0; b < kBudgets; ++b) mathnas_context_destroy(contexts[b]);
  return NULL;
}

int main(int argc, char** argv) {
  mathnas_model_options options;
  mathnas_model model = NULL;
  mathnas_table table = NULL;
  struct service service;
  struct worker workers[kThreads];
  pthread_t threads[kThreads];
  int b, t, wrong;
  if (argc != 3 + kBudgets) {
    fprintf(stderr, "usage: %s SUPERNET TABLE LIMIT LIMIT LIMIT\n", argv[0]);
    return 2;
  }
  if (mathnas_api_version() < MATHNAS_API_VERSION) {
    fprintf(stderr, "the library is older than this program\n");
    return 2;
  }
  memset(&service, 0, sizeof(service));
  memset(workers, 0, sizeof(workers));
  mathnas_model_options_init(&options, sizeof(options));
  options.log = log_line;
  wrong = failed(mathnas_model_open(argv[1], &options, &model), argv[1]) ||
          failed(mathnas_table_open(argv[2], &table), argv[2]);
  for (b = 0; b < kBudgets && !wrong; ++b) wrong = prepare(model, table, argv[3 + b], &service, b);
  mathnas_table_destroy(table);
  mathnas_model_destroy(model);
  for (t = 0; t < kThreads && !wrong; ++t) {
    workers[t].service = &service;
    pthread_create(&threads[t], NULL, work, &workers[t]);
  }
  for (t = 0; t < kThreads && !wrong; ++t) pthread_join(threads[t], NULL);
  for (t = 0; t < kThreads; ++t) {
    wrong = wrong || workers[t].failed;
    printf("thread %d served %d, %d and %d requests; checksum %.6g\n", t, workers[t].served[0], workers[t].served[1],
           workers[t].served[2], workers[t].sum);
  }
  for (b = 0; b < kBudgets; ++b) mathnas_plan_destroy(service.plans[b]);
  printf("%u handles left\n", mathnas_live_handles());
  return wrong || mathnas_live_handles() != 0;
}
