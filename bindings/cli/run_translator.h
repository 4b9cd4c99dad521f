// mathnas run, of a deployed translator.
#ifndef MATHNAS_BINDINGS_CLI_RUN_TRANSLATOR_H_
#define MATHNAS_BINDINGS_CLI_RUN_TRANSLATOR_H_

#include <string>

#include "bindings/cli/command.h"
#include "bindings/cli/translation_search.h"
#include "supernet/safetensors.h"

namespace mathnas::cli {

// Translates the lines of a file, or of standard input for "-". Errors name file and line.
absl::StatusOr<Answer> RunTranslator(supernet::SafetensorsFile network, const std::string& input,
                                     const TranslationSearch& search, const Common& common);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_RUN_TRANSLATOR_H_
