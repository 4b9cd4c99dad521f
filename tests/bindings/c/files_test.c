/* Files of every kind that are truncated, of a version to come, or for another machine: a clear error, and no handle.
 */
#include <stdlib.h>

#include "check.h"

static const char* folder;
static char said[2048]; /* by a call whose text is gone */

/* A file of make_files. */
static const char* named(const char* prefix, const char* name) {
  char text[256];
  snprintf(text, sizeof(text), "%s%s", prefix, name);
  return in_folder(folder, text);
}

static mathnas_status open_model(const char* path) {
  mathnas_model model = NULL;
  const mathnas_status status = mathnas_model_open(path, NULL, &model);
  CHECK((status == MATHNAS_OK) == (model != NULL));
  if (model != NULL) CHECK(mathnas_model_destroy(model) == MATHNAS_OK);
  return status;
}

static mathnas_status open_table(const char* path) {
  mathnas_table table = NULL;
  const mathnas_status status = mathnas_table_open(path, &table);
  CHECK(table == NULL);
  return status;
}

static mathnas_status open_translator(const char* path) {
  mathnas_translator translator = NULL;
  const mathnas_status status = mathnas_translator_open(path, NULL, &translator);
  CHECK(translator == NULL);
  return status;
}

static mathnas_status open_statistics(const char* path) {
  mathnas_model model = NULL;
  mathnas_table table = NULL;
  mathnas_server server = NULL;
  mathnas_server_options options;
  mathnas_status status;
  CHECK(mathnas_server_options_init(&options, sizeof(options)) == MATHNAS_OK);
  options.statistics_file = path;
  CHECK(mathnas_model_open(named("", "supernet.safetensors"), NULL, &model) == MATHNAS_OK);
  CHECK(mathnas_table_open(named("", "server_table.json"), &table) == MATHNAS_OK);
  status = mathnas_server_create(model, table, &options, &server);
  CHECK(server == NULL);
  strncpy(said, mathnas_last_error(), sizeof(said) - 1);
  CHECK(mathnas_model_destroy(model) == MATHNAS_OK && mathnas_table_destroy(table) == MATHNAS_OK);
  return status;
}

/* What is wrong is named: the file, what was found, and what was expected. */
static void check_kind(mathnas_status (*open)(const char*), const char* name, const char* format) {
  const char* const newer = named("newer-", name);
  const char* const truncated = named("truncated-", name);
  mathnas_status status;
  said[0] = '\0';
  status = open(newer);
  if (said[0] == '\0') strncpy(said, mathnas_last_error(), sizeof(said) - 1);
  printf("%s: %s\n", mathnas_status_name(status), said);
  /* A table is text, of which any entry may be wrong. */
  CHECK(status == (open == open_table ? MATHNAS_INVALID_ARGUMENT : MATHNAS_UNIMPLEMENTED));
  CHECK(strstr(said, newer) != NULL && strstr(said, format) != NULL && strstr(said, "/2") != NULL);
  said[0] = '\0';
  status = open(truncated);
  if (said[0] == '\0') strncpy(said, mathnas_last_error(), sizeof(said) - 1);
  printf("%s: %s\n", mathnas_status_name(status), said);
  CHECK(status == MATHNAS_INVALID_ARGUMENT && strstr(said, truncated) != NULL);
}

/* Of a processor that does not compute in bfloat16, as main has it. */
static void test_other_machine(void) {
  mathnas_model model = NULL;
  mathnas_plan plan = NULL;
  mathnas_model_options options;
  int32_t device;
  for (device = MATHNAS_CPU; device <= MATHNAS_REFERENCE; ++device) {
    CHECK(mathnas_model_options_init(&options, sizeof(options)) == MATHNAS_OK);
    options.device = device;
    CHECK(mathnas_model_open(named("", "bfloat16.mathnas"), &options, &model) == MATHNAS_OK);
    CHECK_ERROR(mathnas_plan_create(model, NULL, &plan), MATHNAS_UNIMPLEMENTED,
                device == MATHNAS_CPU ? "bfloat16: expected a processor with AVX-512 BF16" : "computes in F32 alone");
    CHECK(plan == NULL && mathnas_model_destroy(model) == MATHNAS_OK);
  }
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  folder = argv[1];
  setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1); /* read when oneDNN is used first */
  check_kind(open_model, "network.mathnas", "mathnas-network/1");
  check_kind(open_model, "supernet.safetensors", "mathnas-checkpoint/1");
  check_kind(open_translator, "translator.mathnas", "mathnas-translator/1");
  check_kind(open_statistics, "server_known.safetensors", "mathnas-statistics/1");
  check_kind(open_table, "server_table.json", "mathnas-block-table/1");
  test_other_machine();
  return finish();
}
