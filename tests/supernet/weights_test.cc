#include "supernet/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/evaluation.h"
#include "supernet/mobilenetv3/space.h"
#include "supernet/nasbench201/space.h"
#include "supernet/recalibration.h"
#include "supernet/training/sampling.h"
#include "tests/supernet/naive_statistics.h"

namespace mathnas::supernet {
namespace {

using kernels::DType;
using kernels::Tensor;
using kernels::TensorMap;

TensorMap SupernetWeights(const SearchSpace& space) {
  return AllocateWeights(space.Supernet({.mode = Mode::kTraining}).graph);
}

bool SameBits(const Tensor& a, const Tensor& b) {
  return a.desc() == b.desc() && (a.desc().bytes() == 0 || std::memcmp(a.data(), b.data(), a.desc().bytes()) == 0);
}

// Moments of a uniform distribution in +-bound: mean 0, variance bound^2 / 3, kurtosis 9/5; within 5 standard errors.
void ExpectUniform(const Tensor& tensor, double bound, const std::string& name) {
  const auto values = tensor.as<float>();
  const auto n = static_cast<double>(values.size());
  double sum = 0, square = 0, largest = 0;
  for (float v : values) {
    sum += v;
    square += static_cast<double>(v) * v;
    largest = std::max(largest, std::abs(static_cast<double>(v)));
  }
  const double variance = bound * bound / 3;
  EXPECT_LE(largest, bound * (1 + 1e-6)) << name;
  EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(variance / n)) << name;
  EXPECT_NEAR(square / n, variance, 5 * variance * std::sqrt(0.8 / n)) << name;
  // All of n values lie below (1 - 10/n) times the bound with a probability of exp(-10).
  if (n > 100) {
    EXPECT_GT(largest, bound * (1 - 10 / n)) << name;
  }
}

// spec/search-spaces.md 2.1: PyTorch's defaults.
TEST(InitializeWeights, BoundsAndMoments) {
  for (const bool affine : {true, false}) {
    const auto space = *NasBench201({.cells = 1, .affine = affine});
    TensorMap weights = SupernetWeights(*space);
    for (const TensorMap::Entry& e : weights.entries()) {  // whatever was there before is gone
      if (e.tensor.desc().dtype == DType::kF32)
        std::fill(e.tensor.as<float>().begin(), e.tensor.as<float>().end(), 77.0F);
    }
    InitializeWeights(weights, 1);
    int biases = 0;
    std::vector<float> relative;  // biases of convolutions: each tensor is small, all together are telling
    for (const TensorMap::Entry& e : weights.entries()) {
      const kernels::Shape& shape = e.tensor.shape();
      const std::string& name = e.name;
      if (name == "arch_parameters" || name.ends_with("num_batches_tracked")) continue;
      if (shape.size() == 4) {
        ExpectUniform(e.tensor, 1 / std::sqrt(static_cast<double>(shape[1] * shape[2] * shape[3])), name);
      } else if (shape.size() == 2) {
        ExpectUniform(e.tensor, 1 / std::sqrt(static_cast<double>(shape[1])), name);
      } else if (name == "classifier.bias") {
        ExpectUniform(e.tensor, 1 / std::sqrt(64.0), name);
        ++biases;
      } else if (name.ends_with(".op.1.bias")) {
        const kernels::Shape& beside = weights.Find(name.substr(0, name.size() - 4) + "weight")->shape();
        const double bound = 1 / std::sqrt(static_cast<double>(beside[1] * beside[2] * beside[3]));
        ExpectUniform(e.tensor, bound, name);
        for (float v : e.tensor.as<float>()) relative.push_back(static_cast<float>(v / bound));
        ++biases;
      } else {
        const bool one = name.ends_with(".weight") || name.ends_with("running_var");
        EXPECT_TRUE(one || name.ends_with(".bias") || name.ends_with("running_mean")) << name;
        for (float v : e.tensor.as<float>()) EXPECT_EQ(v, one ? 1.0F : 0.0F) << name;
      }
    }
    EXPECT_EQ(biases, affine ? 1 : 1 + 3 * 6 * 2);  // a bias only where normalisation has none
    if (!affine) {
      Tensor all(DType::kF32, {static_cast<int64_t>(relative.size())});
      std::copy(relative.begin(), relative.end(), all.as<float>().begin());
      ExpectUniform(all, 1, "all biases");
    }
    // 2.5: 1e-3 * normal.
    double square = 0;
    for (float v : weights.Find("arch_parameters")->as<float>()) square += 1e6 * v * v;
    EXPECT_NEAR(square / 30, 1, 5 * std::sqrt(2.0 / 30));
  }
}

TEST(InitializeWeights, ValuesDependOnSeedAndNameAlone) {
  const auto space = *NasBench201({.cells = 2, .affine = false});
  TensorMap weights = SupernetWeights(*space), again = SupernetWeights(*space), other = SupernetWeights(*space);
  InitializeWeights(weights, 5);
  InitializeWeights(again, 5);
  InitializeWeights(other, 6);
  TensorMap backwards;
  for (size_t i = weights.size(); i-- > 0;) {
    backwards.Put(weights.entries()[i].name, Tensor(weights.entries()[i].tensor.desc()));
  }
  InitializeWeights(backwards, 5);
  TensorMap alone;
  alone.Put("_cells.1.edges.2<-1.3.op.1.weight", Tensor(DType::kF32, {16, 16, 3, 3}));
  InitializeWeights(alone, 5);
  EXPECT_TRUE(SameBits(alone.entries()[0].tensor, *weights.Find("_cells.1.edges.2<-1.3.op.1.weight")));
  std::map<float, std::string> first_values;
  for (const TensorMap::Entry& e : weights.entries()) {
    EXPECT_TRUE(SameBits(e.tensor, *again.Find(e.name))) << e.name;
    EXPECT_TRUE(SameBits(e.tensor, *backwards.Find(e.name))) << e.name;
    if (e.tensor.shape().size() < 2) continue;
    EXPECT_FALSE(SameBits(e.tensor, *other.Find(e.name))) << e.name;
    const auto [same, fresh] = first_values.emplace(e.tensor.as<float>()[0], e.name);
    EXPECT_TRUE(fresh) << e.name << " begins like " << same->second;
  }
}

TEST(AllocateWeights, EveryLeafAndCounter) {
  const auto space = *NasBench201({.cells = 1});
  const NetworkGraph network = space->Network({3, 0, 1, 0, 0, 2}, {.mode = Mode::kTraining});
  const TensorMap weights = AllocateWeights(network.graph);
  std::set<std::string> expected;
  const auto norm = [&](const std::string& prefix) {
    for (const char* part : {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}) {
      expected.insert(prefix + "." + part);
    }
  };
  const auto conv = [&](const std::string& prefix) {
    expected.insert(prefix + ".op.1.weight");
    norm(prefix + ".op.2");
  };
  // spec/search-spaces.md 2.4 for one cell per stage.
  expected.insert("stem.0.weight");
  norm("stem.1");
  for (const char* cell : {"0", "2", "4"}) {
    conv(std::string("cells.") + cell + ".layers.0");
    conv(std::string("cells.") + cell + ".layers.5");
  }
  for (const char* cell : {"1", "3"}) {
    conv(std::string("cells.") + cell + ".conv_a");
    conv(std::string("cells.") + cell + ".conv_b");
    expected.insert(std::string("cells.") + cell + ".downsample.1.weight");
  }
  norm("lastact.0");
  expected.insert("classifier.weight");
  expected.insert("classifier.bias");
  std::set<std::string> names;
  for (const TensorMap::Entry& e : weights.entries()) {
    names.insert(e.name);
    EXPECT_EQ(e.tensor.desc().dtype, e.name.ends_with("num_batches_tracked") ? DType::kI64 : DType::kF32) << e.name;
  }
  EXPECT_EQ(names, expected);
}

constexpr NasBench201Macro kSmall = {.channels = 8, .cells = 1, .classes = 7, .height = 8, .width = 8};

std::vector<Choice> SomeChoices(const SearchSpace& space) {
  std::vector<Choice> choices = {{3, 3, 3, 3, 3, 3}, {2, 2, 2, 2, 2, 2}, {0, 0, 0, 0, 0, 0}, {0, 1, 3, 4, 2, 1}};
  for (int64_t i = 0; i < 8; ++i) choices.push_back(RandomChoice(space, 99, i));
  return choices;
}

// Logits of a graph in inference mode, unfolded; images are normal noise.
template <typename T>
std::vector<T> Logits(const NetworkGraph& network, const TensorMap& weights, kernels::Device& device) {
  std::vector<T> result;
  const auto plan = kernels::Plan::Create(network.graph, {{"logits", network.logits}}, device);
  EXPECT_TRUE(plan.ok()) << kernels::Message(plan.status());
  if (!plan.ok()) return result;
  const auto context = kernels::Context::Create(*plan, {&weights});
  EXPECT_TRUE(context.ok()) << kernels::Message(context.status());
  if (!context.ok()) return result;
  kernels::Random random(3);
  for (T& v : (*context)->Input("image")->as<T>()) v = static_cast<T>(random.Normal());
  EXPECT_TRUE((*context)->Run().ok());
  const auto logits = (*context)->Output("logits")->as<T>();
  return {logits.begin(), logits.end()};
}

TEST(ExtractWeights, ComputesWhatThePathThroughTheSupernetComputes) {
  const auto space = *NasBench201(kSmall);
  TensorMap shared = SupernetWeights(*space);
  FillSynthetic(shared);  // statistics too: one taken from the wrong place would show
  const TensorMap shared_double = testing::InDouble(shared);
  const auto reference = kernels::ReferenceDevice(DType::kF64);
  const auto device = testing::FloatDevice(2);
  std::set<std::vector<double>> different;
  for (const Choice& choice : SomeChoices(*space)) {
    const auto own = ExtractWeights(*space, choice, shared);
    ASSERT_TRUE(own.ok()) << own.status();
    GraphRequest request = {.batch = 3};
    request.weights = Weights::kShared;
    const NetworkGraph path_float = space->Network(choice, request);
    request.real = DType::kF64;
    const NetworkGraph path = space->Network(choice, request);
    request.weights = Weights::kOwn;
    const NetworkGraph network = space->Network(choice, request);
    request.real = DType::kF32;
    const NetworkGraph network_float = space->Network(choice, request);
    const auto expected = Logits<double>(path, shared_double, *reference);
    EXPECT_EQ(Logits<double>(network, testing::InDouble(*own), *reference), expected);
    EXPECT_EQ(Logits<float>(network_float, *own, *device), Logits<float>(path_float, shared, *device));
    different.insert(expected);

    // Folded as it is deployed; float32 with other sums: 1e-4 of the largest logit.
    const auto folded = FoldedNetwork(*space, choice, *own, 3);
    ASSERT_TRUE(folded.ok()) << folded.status();
    const auto logits = Logits<float>({folded->graph, folded->outputs[0].value}, folded->weights, *device);
    double largest = 0;
    for (double v : expected) largest = std::max(largest, std::abs(v));
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 1e-4 * largest);
  }
  EXPECT_GT(different.size(), 8U) << "the networks are not different ones";
}

TEST(ExtractWeights, CopiesAreIndependent) {
  const auto space = *NasBench201(kSmall);
  TensorMap shared = SupernetWeights(*space);
  FillSynthetic(shared);
  const TensorMap before = shared.Clone();
  const auto own = ExtractWeights(*space, {3, 3, 3, 3, 3, 3}, shared);
  ASSERT_TRUE(own.ok());
  for (const TensorMap::Entry& e : own->entries()) std::memset(e.tensor.data(), 0x55, e.tensor.desc().bytes());
  for (const TensorMap::Entry& e : shared.entries()) EXPECT_TRUE(SameBits(e.tensor, *before.Find(e.name))) << e.name;
}

// What is borrowed is the supernet's own memory, alive for as long as it is needed; statistics may be changed.
TEST(BorrowWeights, ParametersAreBorrowedWhereTheyAreTheSame) {
  const auto space = *MobileNetV3({.width = 1.0, .classes = 10, .resolutions = {128}});
  auto shared = std::make_shared<TensorMap>(SupernetWeights(*space));
  FillSynthetic(*shared);
  const Choice choice(static_cast<size_t>(std::ssize(space->nodes())), 0);
  const auto copied = ExtractWeights(*space, choice, *shared);
  ASSERT_TRUE(copied.ok()) << copied.status();
  auto borrowed = BorrowWeights(*space, choice, shared);
  ASSERT_TRUE(borrowed.ok()) << borrowed.status();
  ASSERT_EQ(borrowed->size(), copied->size());
  size_t statistics = 0;
  for (const TensorMap::Entry& e : copied->entries()) {
    const Tensor& tensor = *borrowed->Find(e.name);
    EXPECT_TRUE(SameBits(e.tensor, tensor)) << e.name;
    if (!e.name.ends_with("running_mean") && !e.name.ends_with("running_var")) continue;
    EXPECT_FALSE(tensor.borrowed()) << e.name;
    ++statistics;
  }
  EXPECT_GT(statistics, 0U);
  EXPECT_TRUE(borrowed->Find("classifier.linear.weight")->borrowed());
  EXPECT_EQ(borrowed->Find("classifier.linear.weight")->data(), shared->Find("classifier.linear.weight")->data());

  // Folding takes over what stays as it is.
  const auto folded = FoldedNetwork(*space, choice, *copied, 1);
  ASSERT_TRUE(folded.ok()) << folded.status();
  const auto taken = FoldedNetwork(*space, choice, *std::move(borrowed), 1);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->weights.Find("classifier.linear.weight")->data(), shared->Find("classifier.linear.weight")->data());
  ASSERT_EQ(taken->weights.size(), folded->weights.size());
  shared.reset();  // those that are borrowed hold it
  for (const TensorMap::Entry& e : folded->weights.entries()) {
    EXPECT_TRUE(SameBits(e.tensor, *taken->weights.Find(e.name))) << e.name;
  }
}

// Where the supernet's normalisation has neither gamma and beta nor statistics, convolutions have biases, which own
// networks do not: their statistics, found by recalibration, make up for it.
TEST(ExtractWeights, OfASupernetWithoutAffineNormalisation) {
  const DatasetPair data = *LoadDataset("synthetic:N=64,test=8,size=8,classes=7");
  const auto device = testing::FloatDevice();
  for (const bool track : {false, true}) {
    NasBench201Macro macro = kSmall;
    macro.affine = false;
    macro.track = track;
    const auto space = *NasBench201(macro);
    TensorMap shared = SupernetWeights(*space);
    FillSynthetic(shared);
    const TensorMap shared_double = testing::InDouble(shared);
    const auto batches = testing::TrainingBatches(data.train, 16, 6, 5);  // more than an epoch
    std::vector<uint32_t> indices(8);
    std::iota(indices.begin(), indices.end(), 0U);
    const std::vector<double> images = testing::NormalisedImages(data.test, indices);
    for (const Choice& choice : {Choice{3, 2, 3, 1, 3, 2}, Choice{0, 1, 3, 4, 2, 1}, Choice{3, 3, 3, 3, 3, 3}}) {
      GraphRequest request = {.batch = 16, .mode = Mode::kTraining, .real = DType::kF64};
      request.weights = Weights::kShared;
      TensorMap statistics = shared_double.Clone();
      for (const auto& [prefix, s] :
           testing::AverageStatistics(space->Network(choice, request), shared_double, batches)) {
        for (const auto& [part, values] : {std::pair{".running_mean", &s.mean}, {".running_var", &s.var}}) {
          Tensor tensor(DType::kF64, {static_cast<int64_t>(values->size())});
          std::copy(values->begin(), values->end(), tensor.as<double>().begin());
          statistics.Put(prefix + part, std::move(tensor));
        }
      }
      request.batch = 8;
      request.mode = Mode::kInference;
      const NetworkGraph path = space->Network(choice, request);
      const auto expected = testing::RunInDouble(path.graph, {{"logits", path.logits}}, statistics, images)["logits"];

      auto own = ExtractWeights(*space, choice, shared);
      ASSERT_TRUE(own.ok()) << own.status();
      ASSERT_TRUE(
          Recalibrate(*space, choice, *own, device, Referring(data.train), {.batches = 6, .batch = 16, .seed = 5})
              .ok());
      request.weights = Weights::kOwn;
      const NetworkGraph network = space->Network(choice, request);
      const auto logits =
          testing::RunInDouble(network.graph, {{"logits", network.logits}}, testing::InDouble(*own), images)["logits"];
      ASSERT_EQ(logits.size(), expected.size());
      double largest = 0;
      for (double v : expected) largest = std::max(largest, std::abs(v));
      // The statistics were found in float32, by sums over up to 1024 values in ten layers.
      for (size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(logits[i], expected[i], 2e-4 * largest) << i;
    }
  }
}

TEST(ExtractWeights, MissingAndMisshapenTensorsAreNamed) {
  const auto space = *NasBench201(kSmall);
  TensorMap shared = SupernetWeights(*space);
  FillSynthetic(shared);
  const auto without = [&](const std::string& name, Tensor replacement = {}) {
    TensorMap rest;
    for (const TensorMap::Entry& e : shared.entries()) {
      if (e.name != name) {
        rest.Put(e.name, e.tensor.Clone());
      } else if (replacement.data() != nullptr) {
        rest.Put(e.name, std::move(replacement));
      }
    }
    return rest;
  };
  const Choice choice = {3, 1, 2, 0, 4, 3};
  // Also vectors: that normalisation is affine is a matter of the space, not of what happens to be there.
  for (const char* name :
       {"_stem.0.weight", "_stem.1.weight", "_stem.1.running_var", "classifier.weight", "classifier.bias",
        "_cells.1.conv_a.op.1.weight", "_cells.1.conv_b.op.2.bias", "lastact.0.weight",
        "_cells.0.edges.1<-0.3.op.1.weight", "_cells.4.edges.3<-2.3.op.2.running_mean"}) {
    const auto own = ExtractWeights(*space, choice, without(name));
    EXPECT_EQ(own.status().code(), absl::StatusCode::kNotFound) << name;
    EXPECT_NE(kernels::Message(own.status()).find(name), std::string::npos) << kernels::Message(own.status());
  }
  // Tensors of other paths may be missing.
  EXPECT_TRUE(ExtractWeights(*space, choice, without("_cells.0.edges.1<-0.2.op.1.weight")).ok());
  EXPECT_TRUE(ExtractWeights(*space, choice, without("arch_parameters")).ok());

  const std::string name = "_cells.0.edges.1<-0.3.op.1.weight";
  const auto own = ExtractWeights(*space, choice, without(name, Tensor(DType::kF32, {8, 8, 1, 1})));
  EXPECT_EQ(own.status().code(), absl::StatusCode::kInvalidArgument);
  for (const std::string& word : {name, std::string("8x8x1x1"), std::string("8x8x3x3")}) {
    EXPECT_NE(kernels::Message(own.status()).find(word), std::string::npos) << kernels::Message(own.status());
  }
  for (const Choice& bad : {Choice{}, Choice{3, 3, 3, 3, 3}, Choice{3, 3, 3, 3, 3, 5}, Choice{-1, 3, 3, 3, 3, 3}}) {
    EXPECT_EQ(ExtractWeights(*space, bad, shared).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace mathnas::supernet
