// Decoding: token by token as of whole rows; hypotheses of the reference's own beam search.
#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/status.h"
#include "supernet/supertransformer/graph.h"
#include "supernet/training/sampling.h"
#include "supernet/translation/beam_search.h"
#include "tests/supernet/golden.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::TensorMap;
using nlohmann::json;
using Rows = std::vector<std::vector<int32_t>>;

struct Network {
  SuperTransformerMacro macro;
  std::shared_ptr<const SearchSpace> space;
  Choice choice;
  TensorMap weights;
};

Network Synthetic(const SuperTransformerMacro& macro, const Choice* choice, DType real) {
  Network n = {macro, *SuperTransformer(macro), {}, {}};
  n.choice = choice != nullptr ? *choice : n.space->base();
  TensorMap shared = AllocateWeights(n.space->Supernet({.real = real}).graph);
  FillSynthetic(shared);
  n.weights = *ExtractWeights(*n.space, n.choice, shared);
  return n;
}

// Logits{rows, T, words} of whole rows, sources padded on their left.
std::vector<double> WholeRows(const Network& n, kernels::Device& device, const Rows& sources, const Rows& previous) {
  size_t longest = 0;
  for (const auto& s : sources) longest = std::max(longest, s.size());
  const NetworkGraph network = n.space->Network(n.choice, {.batch = std::ssize(sources),
                                                           .real = device.real(),
                                                           .source_length = static_cast<int64_t>(longest),
                                                           .target_length = std::ssize(previous[0])});
  auto plan = kernels::Plan::Create(network.graph, {{"logits", network.logits}}, device);
  auto context = *kernels::Context::Create(*plan, {&n.weights});
  const auto ids = context->Input("source")->as<int64_t>();
  std::fill(ids.begin(), ids.end(), supertransformer::kPad);
  const auto words = context->Input("previous")->as<int64_t>();
  for (size_t b = 0; b < sources.size(); ++b) {
    std::copy(sources[b].begin(), sources[b].end(),
              ids.begin() + static_cast<std::ptrdiff_t>((b + 1) * longest - sources[b].size()));
    std::copy(previous[b].begin(), previous[b].end(),
              words.begin() + static_cast<std::ptrdiff_t>(b * previous[b].size()));
  }
  EXPECT_TRUE(context->Run().ok());
  return ToDoubles(*context->Output("logits"));
}

// Rows of several sources and two beams, over more tokens than the caches hold at first, every three steps reordered.
void CheckAgainstWholeRows(const std::shared_ptr<kernels::Device>& device, double tolerance) {
  const SuperTransformerMacro macro = {
      .task = supertransformer::Task::kSmall, .source_vocabulary = 48, .target_vocabulary = 48};
  constexpr size_t kSteps = 37, kBeams = 2;
  const Rows sources = {{5, 9, 13, 2}, {40, 41, 42, 43, 44, 45, 46, 47, 3, 2}, {7, 2}};
  for (int64_t draw = 0; draw < 4; ++draw) {
    const Choice choice = RandomChoice(**SuperTransformer(macro), 11, draw);
    const Network n = Synthetic(macro, &choice, device->real());
    IncrementalDecoder decoder(macro, n.choice, n.weights, device);
    // Twice, so that what the first left behind is met.
    for (int round = 0; round < 2; ++round) {
      ASSERT_TRUE(decoder.Start(sources, kBeams).ok());
      Rows rows(sources.size() * kBeams);
      std::vector<int32_t> tokens(rows.size(), supertransformer::kEos);
      for (size_t step = 0; step < kSteps; ++step) {
        for (size_t r = 0; r < rows.size(); ++r) rows[r].push_back(tokens[r]);
        const absl::Status stepped = decoder.Step(tokens);
        ASSERT_TRUE(stepped.ok()) << stepped;
        const std::vector<double> logits = ToDoubles(decoder.logits());
        if (step % 9 == 0 || step + 1 == kSteps) {
          Rows repeated;
          for (size_t r = 0; r < rows.size(); ++r) repeated.push_back(sources[r / kBeams]);
          const std::vector<double> whole = WholeRows(n, *device, repeated, rows);
          const size_t words = logits.size() / rows.size();
          for (size_t r = 0; r < rows.size(); ++r) {
            for (size_t w = 0; w < words; ++w) {
              ASSERT_NEAR(logits[r * words + w], whole[((r + 1) * (step + 1) - 1) * words + w], tolerance)
                  << "draw " << draw << " step " << step << " row " << r;
            }
          }
        }
        for (size_t r = 0; r < rows.size(); ++r) tokens[r] = static_cast<int32_t>(4 + (7 * r + 5 * step) % 44);
        if (step % 3 != 0) continue;
        std::vector<int32_t> parents(rows.size());
        for (size_t r = 0; r < rows.size(); ++r) {
          parents[r] = static_cast<int32_t>(r / kBeams * kBeams + (step % 2 == 0 ? (r + 1) % kBeams : 0));
        }
        decoder.Reorder(parents);
        Rows moved;
        for (int32_t p : parents) moved.push_back(rows[static_cast<size_t>(p)]);
        rows = moved;
      }
    }
  }
}

TEST(IncrementalDecoder, GivesTheLogitsOfWholeRowsInDouble) {
  CheckAgainstWholeRows(kernels::ReferenceDevice(DType::kF64), 1e-12);
}

TEST(IncrementalDecoder, GivesTheLogitsOfWholeRowsOnTheCpu) {
  auto device = kernels::CpuDevice(2);
  if (!device.ok()) GTEST_SKIP() << kernels::Message(device.status());
  CheckAgainstWholeRows(*device, 2e-5);
}

TEST(IncrementalDecoder, ErrorsNameTheSource) {
  const SuperTransformerMacro macro = {
      .task = supertransformer::Task::kSmall, .source_vocabulary = 48, .target_vocabulary = 48};
  const Network n = Synthetic(macro, nullptr, DType::kF32);
  IncrementalDecoder decoder(macro, n.choice, n.weights, kernels::ReferenceDevice(DType::kF32));
  const auto error = [&](const Rows& sources) { return std::string(kernels::Message(decoder.Start(sources, 1))); };
  EXPECT_EQ(error({{5, 2}, {}}), "source 1: 0 tokens, expected 1 to 1024");
  EXPECT_EQ(error({{5, 48, 2}}), "source 0: token 48, expected 0 to 47");
  EXPECT_EQ(error({std::vector<int32_t>(1025, 5)}), "source 0: 1025 tokens, expected 1 to 1024");
  EXPECT_EQ(error({}), "0 sources with 1 beams: expected at least one");
  ASSERT_TRUE(decoder.Start(Rows{{5, 2}}, 2).ok());
  EXPECT_EQ(kernels::Message(decoder.Step(std::vector<int32_t>{2})), "1 tokens, expected 2, one a row");
}

TEST(BeamSearch, HypothesesOfTheReference) {
  const json golden = LoadGolden("MATHNAS_DECODING_GOLDEN", "hat-decoding.json");
  auto device = kernels::CpuDevice(2);
  if (!device.ok()) GTEST_SKIP() << kernels::Message(device.status());
  EXPECT_GE(golden["cases"].size(), 16U);
  for (const json& c : golden["cases"]) {
    SCOPED_TRACE(c["space"].get<std::string>() + ", beam " + std::to_string(c["beam"].get<int>()) + ", end x " +
                 c["end_scale"].dump());
    const int64_t vocabulary = c["vocab"].get<int64_t>();
    const SuperTransformerMacro macro = {.task = *supertransformer::ParseTask(c["space"].get<std::string>()),
                                         .source_vocabulary = vocabulary,
                                         .target_vocabulary = vocabulary};
    const Choice choice = *(*SuperTransformer(macro))->ParseSubnet(c["config"].dump());
    const Network n = Synthetic(macro, &choice, DType::kF32);
    const kernels::Tensor& output =
        *n.weights.Find(c["space"] == "iwslt" ? "decoder.embed_out" : "decoder.embed_tokens.weight");
    const int64_t width = output.shape()[1];
    for (float& v : output.as<float>().subspan(static_cast<size_t>(2 * width), static_cast<size_t>(width))) {
      v *= c["end_scale"].get<float>();
    }
    IncrementalDecoder decoder(macro, n.choice, n.weights, *device);
    SearchOptions options = {.beam = c["beam"].get<int>(),
                             .length_penalty = c["length_penalty"].get<double>(),
                             .max_tokens = c["max_tokens"].get<int64_t>(),
                             .sentences = 4};
    const auto found = Translate(decoder, c["sources"].get<Rows>(), options);
    ASSERT_TRUE(found.ok()) << found.status();
    for (size_t i = 0; i < found->size(); ++i) {
      EXPECT_EQ((*found)[i].tokens, c["hypotheses"][i]["tokens"].get<std::vector<int32_t>>()) << i;
      const double score = c["hypotheses"][i]["score"].get<double>();
      EXPECT_NEAR((*found)[i].score, score, 1e-4 * std::abs(score)) << i;
    }
  }
}

TEST(BeamSearch, OptionsAndInterruption) {
  const SuperTransformerMacro macro = {
      .task = supertransformer::Task::kSmall, .source_vocabulary = 48, .target_vocabulary = 48};
  const Network n = Synthetic(macro, nullptr, DType::kF32);
  IncrementalDecoder decoder(macro, n.choice, n.weights, kernels::ReferenceDevice(DType::kF32));
  const Rows sources = {{5, 2}};
  EXPECT_EQ(kernels::Message(Translate(decoder, sources, {.beam = 0}).status()), "beam: 0, expected 1 to 256");
  EXPECT_FALSE(Translate(decoder, sources, {.max_tokens = 1024}).ok());
  EXPECT_FALSE(Translate(decoder, sources, {.sentences = 0}).ok());
  std::atomic<bool> cancel = true;
  EXPECT_EQ(Translate(decoder, sources, {.cancel = &cancel}).status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(Translate(decoder, Rows{}, {})->empty());
}

}  // namespace
}  // namespace mathnas::supernet
