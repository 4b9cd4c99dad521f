/* A deployed translation network, with weights as before training: what it says is nonsense, but always the same. */
#include <math.h>

#include "check.h"

int main(int argc, char** argv) {
  mathnas_translator translator = NULL, other = NULL;
  mathnas_cancel cancel = NULL;
  mathnas_model_options options;
  const char* text = NULL;
  char first[4096];
  double score = 1, again = 1;
  if (argc != 2) return 2;
  CHECK(mathnas_translator_open(in_folder(argv[1], "translator.mathnas"), NULL, &translator) == MATHNAS_OK);
  CHECK(mathnas_translator_information(translator, &text) == MATHNAS_OK && strcmp(text, "{\"bleu\": 31.5}") == 0);
  CHECK(mathnas_translator_run(translator, "das haus ist rot", NULL, &text, &score) == MATHNAS_OK);
  CHECK(text != NULL && score < 0 && isfinite(score));
  snprintf(first, sizeof(first), "%s", text != NULL ? text : "");
  CHECK(mathnas_translator_run(translator, "der hund", NULL, &text, NULL) == MATHNAS_OK);
  CHECK(mathnas_translator_run(translator, "das haus ist rot", NULL, &text, &again) == MATHNAS_OK);
  CHECK(text != NULL && strcmp(text, first) == 0 && again == score);

  /* The reference device translates the same. */
  mathnas_model_options_init(&options, sizeof(options));
  options.device = MATHNAS_REFERENCE;
  CHECK(mathnas_translator_open(in_folder(argv[1], "translator.mathnas"), &options, &other) == MATHNAS_OK);
  CHECK(mathnas_translator_run(other, "das haus ist rot", NULL, &text, &again) == MATHNAS_OK);
  CHECK(text != NULL && strcmp(text, first) == 0 && fabs(again - score) <= 1e-3 * fabs(score));
  CHECK(mathnas_translator_destroy(other) == MATHNAS_OK);

  CHECK(mathnas_cancel_create(&cancel) == MATHNAS_OK && mathnas_cancel_set(cancel, 1) == MATHNAS_OK);
  CHECK_ERROR(mathnas_translator_run(translator, "der hund", cancel, &text, NULL), MATHNAS_CANCELLED, "");
  CHECK(text == NULL);
  CHECK(mathnas_cancel_destroy(cancel) == MATHNAS_OK);
  CHECK_ERROR(mathnas_translator_run(translator, "", NULL, &text, NULL), MATHNAS_INVALID_ARGUMENT, "sentence 0");
  CHECK_ERROR(mathnas_translator_run(translator, "\xff", NULL, &text, NULL), MATHNAS_INVALID_ARGUMENT, "sentence 0");
  CHECK_ERROR(mathnas_translator_run(translator, NULL, NULL, &text, NULL), MATHNAS_INVALID_ARGUMENT, "sentence: null");
  CHECK_ERROR(mathnas_translator_run(translator, "x", NULL, NULL, NULL), MATHNAS_INVALID_ARGUMENT, "text: null");
  CHECK_ERROR(mathnas_translator_information(translator, NULL), MATHNAS_INVALID_ARGUMENT, "json: null");
  CHECK(mathnas_translator_destroy(translator) == MATHNAS_OK);
  CHECK_ERROR(mathnas_translator_open(in_folder(argv[1], "network.mathnas"), NULL, &translator),
              MATHNAS_INVALID_ARGUMENT, "mathnas-translator/1");
  CHECK_ERROR(mathnas_translator_open(NULL, NULL, &translator), MATHNAS_INVALID_ARGUMENT, "path: null");
  CHECK_ERROR(mathnas_translator_open("x", NULL, NULL), MATHNAS_INVALID_ARGUMENT, "translator: null");
  return finish();
}
