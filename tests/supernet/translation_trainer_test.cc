// Training of translation networks: the loss falls, a run that was stopped goes on to the same bits, and says what does
// not fit.
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/translation/evaluation.h"
#include "supernet/translation/trainer.h"
#include "supernet/weights.h"
#include "tests/supernet/test_files.h"

namespace mathnas::supernet {
namespace {

using kernels::TensorMap;
using supertransformer::Task;

constexpr int64_t kWords = 32;

// Rows of random words, and their translation: each word's neighbour, in reverse order.
EncodedPairs Reversals(int count, uint64_t seed) {
  EncodedPairs pairs;
  kernels::Random random(seed);
  for (int i = 0; i < count; ++i) {
    std::vector<int32_t> source(2 + random.Below(5));
    for (int32_t& word : source) word = static_cast<int32_t>(4 + random.Below(kWords - 4));
    std::vector<int32_t> target;
    for (auto word = source.rbegin(); word != source.rend(); ++word)
      target.push_back(*word == kWords - 1 ? 4 : *word + 1);
    for (auto* row : {&source, &target}) row->push_back(kEosId);
    pairs.source.Append(source);
    pairs.target.Append(target);
    pairs.pair.push_back(static_cast<uint32_t>(i));
  }
  return pairs;
}

SuperTransformerMacro Small() {
  return {.task = Task::kSmall, .source_vocabulary = kWords, .target_vocabulary = kWords};
}

TensorMap NewWeights(const SuperTransformerMacro& macro, const std::optional<Choice>& own = {}) {
  const auto space = *SuperTransformer(macro);
  const GraphRequest request = {.mode = Mode::kTraining};
  TensorMap weights = AllocateWeights(own ? space->Network(*own, request).graph : space->Supernet(request).graph);
  InitializeWeights(weights, 3, space->initialization());
  return weights;
}

TranslationRecipe Recipe(int64_t updates) {
  TranslationRecipe recipe;
  recipe.updates = updates;
  recipe.tokens = 256;
  recipe.schedule = {UpdateSchedule::Form::kInverseSqrt, 2e-3, 1e-7, 0, 20};
  recipe.dropout = 0.1;
  recipe.attention_dropout = 0.1;
  recipe.seed = 5;
  return recipe;
}

class TranslationTrainer : public ::testing::Test {
 protected:
  void SetUp() override {
    auto device = kernels::CpuDevice(2);
    if (!device.ok()) GTEST_SKIP() << kernels::Message(device.status());
    device_ = *device;
  }
  std::shared_ptr<kernels::Device> device_;
  const testing::TempFolder folder_;
};

void ExpectSame(const TensorMap& a, const TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const TensorMap::Entry& e : a.entries()) {
    const kernels::Tensor* other = b.Find(e.name);
    ASSERT_NE(other, nullptr) << e.name;
    EXPECT_EQ(std::memcmp(e.tensor.data(), other->data(), e.tensor.desc().bytes()), 0) << e.name;
  }
}

TEST_F(TranslationTrainer, ANetworkLearnsToReverse) {
  const auto space = *SuperTransformer(Small());
  const Choice choice = space->base();
  const EncodedPairs training = Reversals(2000, 1), validation = Reversals(100, 2);
  TranslationRecipe recipe = Recipe(400);
  recipe.dropout = recipe.attention_dropout = 0;
  auto trained = TrainTranslation(Small(), device_, training, choice, NewWeights(Small(), choice), recipe, {});
  ASSERT_TRUE(trained.ok()) << trained.status();
  const auto before = EvaluateLoss(Small(), choice, NewWeights(Small(), choice), device_, validation);
  const auto after = EvaluateLoss(Small(), choice, trained->weights, device_, validation);
  ASSERT_TRUE(before.ok() && after.ok()) << before.status() << after.status();
  EXPECT_GT(before->loss, 3);
  EXPECT_LT(after->loss, 1.0) << "accuracy " << after->accuracy;
  EXPECT_EQ(after->tokens, validation.target.tokens());

  // And says so, decoded token by token.
  IncrementalDecoder decoder(Small(), choice, trained->weights, device_);
  std::vector<std::vector<int32_t>> sources;
  for (int64_t i = 0; i < 50; ++i) {
    sources.emplace_back(validation.source.row(i).begin(), validation.source.row(i).end());
  }
  const auto said = Translate(decoder, sources, {.beam = 2, .length_penalty = 1});
  ASSERT_TRUE(said.ok()) << said.status();
  int right = 0;
  for (int64_t i = 0; i < 50; ++i) {
    std::vector<int32_t> tokens = (*said)[static_cast<size_t>(i)].tokens;
    tokens.push_back(kEosId);
    const auto row = validation.target.row(i);
    right += std::equal(tokens.begin(), tokens.end(), row.begin(), row.end());
  }
  EXPECT_GT(right, 25);
}

TEST_F(TranslationTrainer, GoesOnToTheSameBits) {
  const EncodedPairs pairs = Reversals(150, 3);
  for (int64_t accumulate : {int64_t{1}, int64_t{3}}) {
    TranslationRecipe recipe = Recipe(9);
    recipe.accumulate = accumulate;
    const auto whole = TrainTranslation(Small(), device_, pairs, std::nullopt, NewWeights(Small()), recipe, {});
    ASSERT_TRUE(whole.ok()) << whole.status();

    const std::string path = folder_ / ("run" + std::to_string(accumulate) + ".safetensors");
    std::atomic<bool> cancel = false;
    int reports = 0;
    TrainingRun run;
    run.checkpoint_path = path;
    run.checkpoint_seconds = 0;
    run.cancel = &cancel;
    run.progress = [&](const TrainingProgress&) { cancel = ++reports == 4; };
    const auto stopped = TrainTranslation(Small(), device_, pairs, std::nullopt, NewWeights(Small()), recipe, run);
    EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
    cancel = false;
    run.resume = true;
    run.progress = nullptr;
    const auto gone_on = TrainTranslation(Small(), device_, pairs, std::nullopt, {}, recipe, run);
    ASSERT_TRUE(gone_on.ok()) << gone_on.status();
    ExpectSame(whole->weights, gone_on->weights);
    ExpectSame(whole->optimizer, gone_on->optimizer);

    recipe.dropout = 0.2;
    const auto other = TrainTranslation(Small(), device_, pairs, std::nullopt, {}, recipe, run);
    EXPECT_NE(kernels::Message(other.status()).find("cannot resume with another recipe"), std::string::npos);
  }
}

TEST_F(TranslationTrainer, DrawsTheReferencesNetworks) {
  const SuperTransformerMacro all = {.task = Task::kIwslt, .source_vocabulary = 64, .target_vocabulary = 64};
  SuperTransformerMacro narrow = all;
  narrow.widths = {512512};
  for (uint64_t update : {0, 1, 2, 77}) {
    const supertransformer::Architecture drawn = supertransformer::Sample(Task::kIwslt, update);
    const auto made = ArchitectureOf(all, DrawnNetwork(**SuperTransformer(all), all, update));
    EXPECT_EQ(made.encoder_width, drawn.encoder_width);
    EXPECT_EQ(made.decoder_width, drawn.decoder_width);
    EXPECT_EQ(made.encoder_hidden, drawn.encoder_hidden);
    EXPECT_EQ(made.decoder_layers, drawn.decoder_layers);
    EXPECT_EQ(made.self_heads, drawn.self_heads);
    const auto in_narrow = ArchitectureOf(narrow, DrawnNetwork(**SuperTransformer(narrow), narrow, update));
    EXPECT_EQ(in_narrow.encoder_width, 512);
    EXPECT_EQ(in_narrow.encoder_hidden, drawn.encoder_hidden);
  }
}

TEST_F(TranslationTrainer, SaysWhatDoesNotFit) {
  const EncodedPairs pairs = Reversals(20, 4);
  SuperTransformerMacro smaller = Small();
  smaller.source_vocabulary = smaller.target_vocabulary = 24;
  const auto words = TrainTranslation(smaller, device_, pairs, std::nullopt, NewWeights(smaller), Recipe(1), {});
  EXPECT_NE(kernels::Message(words.status()).find("the vocabulary is not that of the network"), std::string::npos);
  TranslationRecipe recipe = Recipe(0);
  const auto none = TrainTranslation(Small(), device_, pairs, std::nullopt, NewWeights(Small()), recipe, {});
  EXPECT_EQ(kernels::Message(none.status()), "updates: 0, expected 1 to 1000000000");
  recipe = Recipe(1);
  recipe.dropout = 1;
  EXPECT_FALSE(Check(recipe).ok());
  const auto missing = TrainTranslation(Small(), device_, pairs, std::nullopt, {}, Recipe(1), {});
  EXPECT_NE(kernels::Message(missing.status()).find("decoder.embed_tokens.weight"), std::string::npos);
}

TEST(UpdateScheduleTest, RatesOfTheReference) {
  // Those of the training golden file: lr 5e-4, 2 updates of warm-up from 1e-7.
  const UpdateSchedule inverse = {UpdateSchedule::Form::kInverseSqrt, 5e-4, 1e-7, 0, 2};
  EXPECT_DOUBLE_EQ(inverse.At(0, 100), 1e-7);
  EXPECT_DOUBLE_EQ(inverse.At(1, 100), 0.00025005);
  EXPECT_DOUBLE_EQ(inverse.At(2, 100), 5e-4);
  EXPECT_DOUBLE_EQ(inverse.At(8, 100), 2.5e-4);
  const UpdateSchedule cosine = {UpdateSchedule::Form::kCosine, 1e-3, 1e-7, 1e-7, 10};
  EXPECT_DOUBLE_EQ(cosine.At(10, 110), 1e-3);
  EXPECT_NEAR(cosine.At(60, 110), (1e-3 + 1e-7) / 2, 1e-12);
  EXPECT_NEAR(cosine.At(110, 110), 1e-7, 1e-15);
}

}  // namespace
}  // namespace mathnas::supernet
