// What recalibration and evaluation should find, computed by hand in double: batches of normalised images, statistics
// of every normalisation, logits of single images.
#ifndef MATHNAS_TESTS_SUPERNET_NAIVE_STATISTICS_H_
#define MATHNAS_TESTS_SUPERNET_NAIVE_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/plan.h"
#include "kernels/random.h"
#include "kernels/status.h"
#include "supernet/data/dataset.h"
#include "supernet/search_space.h"

namespace mathnas::supernet::testing {

// The CPU, or the reference device in float32 where there are no CPU kernels.
inline std::shared_ptr<kernels::Device> FloatDevice(int threads = 1) {
  auto cpu = kernels::CpuDevice(threads);
  return cpu.ok() ? *cpu : kernels::ReferenceDevice(kernels::DType::kF32);
}

inline kernels::TensorMap InDouble(const kernels::TensorMap& tensors) {
  kernels::TensorMap result;
  for (const kernels::TensorMap::Entry& e : tensors.entries()) {
    if (e.tensor.desc().dtype != kernels::DType::kF32) {
      result.Put(e.name, e.tensor.Clone());
      continue;
    }
    kernels::Tensor tensor(kernels::DType::kF64, e.tensor.shape());
    for (size_t i = 0; i < tensor.as<double>().size(); ++i) tensor.as<double>()[i] = e.tensor.as<float>()[i];
    result.Put(e.name, std::move(tensor));
  }
  return result;
}

// (pixel - mean) / deviation of some images, one after the other.
inline std::vector<double> NormalisedImages(const ImageDataset& data, std::span<const uint32_t> indices) {
  std::vector<double> values;
  const auto channels = static_cast<size_t>(data.channels);
  for (uint32_t index : indices) {
    const auto pixels = data.image(index);
    for (size_t i = 0; i < pixels.size(); ++i) {
      values.push_back((pixels[i] - data.mean[i % channels]) / data.stddev[i % channels]);
    }
  }
  return values;
}

// The first batches of training in the order of the loader, without augmentation.
inline std::vector<std::vector<double>> TrainingBatches(const ImageDataset& data, int64_t batch, int64_t batches,
                                                        uint64_t seed) {
  std::vector<std::vector<double>> result;
  const int64_t per_epoch = data.count / batch;
  for (int64_t b = 0; b < batches; ++b) {
    std::vector<uint32_t> order(static_cast<size_t>(data.count));
    std::iota(order.begin(), order.end(), 0U);
    const auto epoch = static_cast<uint64_t>(b / per_epoch);
    kernels::Random(seed, kernels::Random::Stream(kShufflePurpose, epoch)).Shuffle(order);
    const auto first = static_cast<size_t>(b % per_epoch * batch);
    result.push_back(NormalisedImages(data, std::span(order).subspan(first, static_cast<size_t>(batch))));
  }
  return result;
}

// Outputs of a graph in double, by name.
inline std::map<std::string, std::vector<double>> RunInDouble(const kernels::Graph& graph,
                                                              const std::vector<kernels::PlanOutput>& outputs,
                                                              const kernels::TensorMap& weights,
                                                              const std::vector<double>& image) {
  std::map<std::string, std::vector<double>> results;
  const auto plan = kernels::Plan::Create(graph, outputs, *kernels::ReferenceDevice(kernels::DType::kF64));
  EXPECT_TRUE(plan.ok()) << kernels::Message(plan.status());
  if (!plan.ok()) return results;
  const kernels::TensorMap own = weights.Clone();  // running statistics may move
  const auto context = kernels::Context::Create(*plan, {&own});
  EXPECT_TRUE(context.ok()) << kernels::Message(context.status());
  if (!context.ok()) return results;
  const auto input = (*context)->Input("image")->as<double>();
  EXPECT_EQ(input.size(), image.size());
  std::memcpy(input.data(), image.data(), input.size_bytes());
  EXPECT_TRUE((*context)->Run().ok());
  for (const kernels::PlanOutput& o : outputs) {
    const auto values = (*context)->Output(o.name)->as<double>();
    results[o.name].assign(values.begin(), values.end());
  }
  return results;
}

struct ChannelStatistics {
  std::vector<double> mean, var;
};

// The name in front of ".running_mean" of a normalisation in training mode, also of one that has no tensors at all.
inline std::string NormPrefix(const kernels::Graph& g, const kernels::Graph::Node& node) {
  if (std::get<kernels::BatchNormTraining>(node.op).affine) {
    const std::string& gamma = g.info(node.inputs[1]).name;
    return gamma.substr(0, gamma.rfind(".weight"));
  }
  const int32_t before = g.info(node.inputs[0]).node;
  if (before >= 0 && std::holds_alternative<kernels::Conv2d>(g.nodes()[static_cast<size_t>(before)].op)) {
    const std::string& weight = g.info(g.nodes()[static_cast<size_t>(before)].inputs[1]).name;
    const size_t end = weight.rfind(".1.weight");
    return weight.substr(0, end) + ".2";
  }
  return "lastact.0";
}

// Averages over the batches of the batch means and of the unbiased batch variances of what goes into each normalisation
// of a graph in training mode. Graph and weights are in double.
inline std::map<std::string, ChannelStatistics> AverageStatistics(const NetworkGraph& network,
                                                                  const kernels::TensorMap& weights,
                                                                  const std::vector<std::vector<double>>& batches) {
  const kernels::Graph& g = network.graph;
  std::vector<kernels::PlanOutput> outputs;
  std::map<std::string, ChannelStatistics> statistics;
  for (const kernels::Graph::Node& n : g.nodes()) {
    if (!std::holds_alternative<kernels::BatchNormTraining>(n.op)) continue;
    const std::string prefix = NormPrefix(g, n);
    EXPECT_FALSE(statistics.contains(prefix)) << prefix;
    const auto channels = static_cast<size_t>(g.desc(n.inputs[0]).shape.back());
    statistics[prefix] = {std::vector<double>(channels), std::vector<double>(channels)};
    outputs.push_back({prefix, n.inputs[0]});
  }
  for (const std::vector<double>& batch : batches) {
    for (const auto& [prefix, x] : RunInDouble(g, outputs, weights, batch)) {
      ChannelStatistics& s = statistics[prefix];
      const size_t channels = s.mean.size(), rows = x.size() / channels;
      for (size_t c = 0; c < channels; ++c) {
        double mean = 0, square = 0;
        for (size_t r = 0; r < rows; ++r) mean += x[r * channels + c];
        mean /= static_cast<double>(rows);
        for (size_t r = 0; r < rows; ++r) square += (x[r * channels + c] - mean) * (x[r * channels + c] - mean);
        s.mean[c] += mean / static_cast<double>(batches.size());
        s.var[c] += square / static_cast<double>(rows - 1) / static_cast<double>(batches.size());
      }
    }
  }
  return statistics;
}

}  // namespace mathnas::supernet::testing

#endif  // MATHNAS_TESTS_SUPERNET_NAIVE_STATISTICS_H_
