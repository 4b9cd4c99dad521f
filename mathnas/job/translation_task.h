// The main job of networks that translate.
#ifndef MATHNAS_MATHNAS_JOB_TRANSLATION_TASK_H_
#define MATHNAS_MATHNAS_JOB_TRANSLATION_TASK_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mathnas/job/task.h"
#include "mathnas/profile/translation_workload.h"
#include "supernet/supertransformer/space.h"
#include "supernet/text/encoded_pairs.h"
#include "supernet/text/parallel_text.h"
#include "supernet/translation/beam_search.h"
#include "supernet/translation/evaluation.h"
#include "supernet/translation/trainer.h"
#include "supernet/translation/vocabulary_files.h"

namespace mathnas::job {

struct TranslationTaskOptions {
  // The sizes of the vocabularies are replaced by those that there are.
  supernet::SuperTransformerMacro macro;
  // Where vocabularies come from; those of a checkpoint that is given, or of a run that goes on, lie beside it.
  supernet::VocabularySource vocabularies;
  profile::TranslationWorkloadOptions scoring;  // of networks, on the validation part
  // The vocabularies that they are for are filled in.
  supernet::TranslationRecipe supernet, fine_tuning;
  supernet::SearchOptions search;  // how the chosen network translates
  int64_t test_sentences = 0;      // of the test part that are translated for BLEU, the first ones; 0: all
};

class TranslationTask : public Task {
 public:
  TranslationTask(supernet::ParallelText text, TranslationTaskOptions own)
      : own_(std::move(own)), text_(std::move(text)) {}

  absl::Status Begin(const SearchNetworkOptions& options) override;
  const std::shared_ptr<const supernet::SearchSpace>& space() const override { return space_; }
  Wording wording() const override;
  absl::StatusOr<TrainedSupernet> TrainSupernet() override;
  absl::StatusOr<std::unique_ptr<profile::Workload>> MakeWorkload(const kernels::TensorMap& shared) override;
  absl::StatusOr<FineTuned> FineTune(const supernet::Choice& choice, const kernels::TensorMap& shared) override;
  absl::Status Deploy(const std::string& path, const supernet::Choice& choice, const kernels::TensorMap& own_weights,
                      const std::string& information) override;
  void Describe(const supernet::Choice& choice, report::ChosenNetwork& chosen) const override;

 private:
  struct TestResult {
    supernet::TranslationLoss loss;
    double bleu = 0;
  };

  bool bleu() const { return own_.scoring.quality == profile::TranslationWorkloadOptions::Quality::kBleu; }
  absl::StatusOr<supernet::VocabularyPair> Vocabularies();
  absl::StatusOr<supernet::EncodedPairs> Encode(const supernet::TextPart& part) const;
  absl::StatusOr<TestResult> Test(const supernet::Choice& choice, const kernels::TensorMap& own_weights) const;
  int64_t test_sentences() const;

  TranslationTaskOptions own_;
  const SearchNetworkOptions* options_ = nullptr;
  supernet::ParallelText text_;
  std::optional<supernet::VocabularyPair> vocabularies_;
  std::shared_ptr<const supernet::SearchSpace> space_;
  supernet::EncodedPairs training_, test_;
};

}  // namespace mathnas::job

#endif  // MATHNAS_MATHNAS_JOB_TRANSLATION_TASK_H_
