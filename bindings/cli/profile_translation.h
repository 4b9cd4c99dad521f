// mathnas profile, of translation networks.
#ifndef MATHNAS_BINDINGS_CLI_PROFILE_TRANSLATION_H_
#define MATHNAS_BINDINGS_CLI_PROFILE_TRANSLATION_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bindings/cli/data_options.h"
#include "mathnas/profile/translation_workload.h"
#include "supernet/search_space.h"
#include "supernet/training/checkpoint.h"

namespace mathnas::cli {

// --sentences and --quality: what translation networks are scored on.
struct TranslationQuality {
  int64_t sentences = 0;  // 0: all
  std::string quality = "tokens";

  void AddTo(CLI::App* command);
  profile::TranslationWorkloadOptions Make() const;
};

// The held-out pairs of --data. `checkpoint`, which was loaded from `path`, must outlive the workload.
absl::StatusOr<std::unique_ptr<profile::Workload>> OpenTranslation(std::shared_ptr<const supernet::SearchSpace> space,
                                                                   std::shared_ptr<kernels::Device> device,
                                                                   const supernet::Checkpoint& checkpoint,
                                                                   const std::string& path, DataOptions& data,
                                                                   const TranslationQuality& quality);

}  // namespace mathnas::cli

#endif  // MATHNAS_BINDINGS_CLI_PROFILE_TRANSLATION_H_
