/* Serves a supernet while its budget changes.
 *
 *   serve_live SUPERNET TABLE DATA LIMIT ...
 *
 * Two threads ask without pause. Meanwhile the limits, such as 'latency<=3', come and go one after the other: each time
 * the best subnet of the block table within the limit is solved for, prepared while the one before serves, and takes
 * over between two requests. DATA are images of the training part ("fashion-mnist", "folder:F", ..), on which the batch
 * normalisation of every subnet is recalibrated. What is printed is what a server would log. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mathnas.h"

enum { kThreads = 2, kSubnets = 64 };

struct worker {
  mathnas_server server;
  size_t input_bytes, output_bytes;
  int failed;
  long answered, switches; /* requests, and how often the next was answered by another subnet */
};

static int stop = 0;

static int failed(mathnas_status status, const char* what) {
  if (status == MATHNAS_OK) return 0;
  fprintf(stderr, "%s: %s: %s\n", what, mathnas_status_name(status), mathnas_last_error());
  return 1;
}

static void* work(void* argument) {
  struct worker* worker = argument;
  float* image = malloc(worker->input_bytes);
  float* logits = malloc(worker->output_bytes);
  mathnas_bindings bindings;
  mathnas_served served;
  uint32_t last = 0;
  size_t i;
  mathnas_bindings_init(&bindings, sizeof(bindings));
  mathnas_served_init(&served, sizeof(served));
  worker->failed = image == NULL || logits == NULL;
  for (i = 0; i < worker->input_bytes / sizeof(float) && !worker->failed; ++i) image[i] = (float)(i % 7) - 3.0f;
  bindings.input = image;
  bindings.input_bytes = worker->input_bytes;
  bindings.output = logits;
  bindings.output_bytes = worker->output_bytes;
  while (!worker->failed && !__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    worker->failed = failed(mathnas_server_run(worker->server, &bindings, &served), "request");
    worker->switches += worker->answered > 0 && served.subnet != last;
    last = served.subnet;
    ++worker->answered;
  }
  free(image);
  free(logits);
  return NULL;
}

/* A new limit in place of the one before. One that nothing keeps changes nothing, and is told. */
static int change(mathnas_server server, const char* limit) {
  static const char* const how[] = {"serves already", "was ready", "is prepared"};
  mathnas_decision decision;
  mathnas_subnet subnet;
  mathnas_status status;
  const struct timespec moment = {0, 20000000}; /* as long as a budget lasts, at least */
  nanosleep(&moment, NULL);
  mathnas_decision_init(&decision, sizeof(decision));
  mathnas_subnet_init(&subnet, sizeof(subnet));
  status = mathnas_server_set_limits(server, &limit, 1, &decision);
  if (status == MATHNAS_FAILED_PRECONDITION) {
    printf("%s: stays as it is: %s\n", limit, mathnas_last_error());
    return 0;
  }
  if (failed(status, limit) || failed(mathnas_server_subnet(server, decision.subnet, &subnet), limit)) return 1;
  printf("%s: subnet %u %s, %s, predicted %.2f\n", limit, (unsigned)decision.subnet, subnet.json,
         how[decision.switching], decision.objective);
  return failed(mathnas_server_wait(server), limit); /* a real server would not */
}

static int report(mathnas_server server) {
  mathnas_server_statistics statistics;
  mathnas_subnet subnet;
  uint32_t i;
  mathnas_server_statistics_init(&statistics, sizeof(statistics));
  mathnas_subnet_init(&subnet, sizeof(subnet));
  if (failed(mathnas_server_get_statistics(server, &statistics), "statistics")) return 1;
  printf("%ld requests, %ld failed; %ld switches, %ld to subnets that were ready, %ld subnets prepared\n",
         (long)statistics.requests, (long)statistics.failed_requests, (long)statistics.switches, (long)statistics.hits,
         (long)statistics.prepared);
  for (i = 0; i < statistics.subnet_count && i < kSubnets; ++i) {
    if (failed(mathnas_server_subnet(server, i, &subnet), "subnet")) return 1;
    printf("subnet %u: %ld requests, %.3f ms each\n", (unsigned)i, (long)subnet.requests,
           subnet.runs > 0 ? subnet.milliseconds / (double)subnet.runs : 0.0);
  }
  return 0;
}

int main(int argc, char** argv) {
  mathnas_search_options search;
  mathnas_server_options options;
  mathnas_model model = NULL;
  mathnas_table table = NULL;
  mathnas_server server = NULL;
  mathnas_tensor input, output;
  struct worker workers[kThreads];
  pthread_t threads[kThreads];
  int i, t, wrong;
  if (argc < 5) {
    fprintf(stderr, "usage: %s SUPERNET TABLE DATA LIMIT ...\n", argv[0]);
    return 2;
  }
  if (mathnas_api_version() < MATHNAS_API_VERSION) {
    fprintf(stderr, "the library is older than this program\n");
    return 2;
  }
  mathnas_search_options_init(&search, sizeof(search));
  mathnas_server_options_init(&options, sizeof(options));
  mathnas_tensor_init(&input, sizeof(input));
  mathnas_tensor_init(&output, sizeof(output));
  search.limits = (const char* const*)&argv[4];
  search.limit_count = 1;
  options.search = &search;
  options.lanes = kThreads;
  options.calibration_data = argv[3];
  options.calibration_batches = 4;
  wrong = failed(mathnas_model_open(argv[1], NULL, &model), argv[1]) ||
          failed(mathnas_table_open(argv[2], &table), argv[2]) ||
          failed(mathnas_server_create(model, table, &options, &server), "server") ||
          failed(mathnas_server_input(server, &input), "server") ||
          failed(mathnas_server_output(server, &output), "server");
  mathnas_table_destroy(table);
  mathnas_model_destroy(model);
  memset(workers, 0, sizeof(workers));
  for (t = 0; t < kThreads && !wrong; ++t) {
    workers[t].server = server;
    workers[t].input_bytes = (size_t)input.bytes;
    workers[t].output_bytes = (size_t)output.bytes;
    pthread_create(&threads[t], NULL, work, &workers[t]);
  }
  if (!wrong) {
    for (i = 4; i < argc && !wrong; ++i) wrong = change(server, argv[i]);
    for (i = argc - 1; i >= 4 && !wrong; --i) wrong = change(server, argv[i]);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (t = 0; t < kThreads; ++t) {
      pthread_join(threads[t], NULL);
      wrong = wrong || workers[t].failed;
      printf("thread %d: %ld requests, saw %ld switches\n", t, workers[t].answered, workers[t].switches);
    }
    wrong = report(server) || wrong;
  }
  mathnas_server_destroy(server);
  printf("%u handles left\n", (unsigned)mathnas_live_handles());
  return wrong || mathnas_live_handles() != 0;
}
