#include "supernet/mobilenetv3/channel_sorting.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "fmt/format.h"
#include "fmt/ranges.h"

namespace mathnas::supernet::mobilenetv3 {
namespace {

using kernels::DType;
using kernels::Shape;
using kernels::TensorMap;
using kernels::TensorView;

// Which channels a dimension of a tensor counts.
enum class Along : uint8_t { kOther, kMid, kHidden };

// A tensor of a block whose channels are permuted, and along which of its first two dimensions.
struct Permuted {
  std::string name;
  Shape shape;
  Along rows, columns;
};

std::vector<Permuted> PermutedTensors(int block, const BlockShape& s) {
  const std::string prefix = fmt::format("blocks.{}.conv.", block + 1);
  std::vector<Permuted> tensors = {
      {prefix + "inverted_bottleneck.conv.conv.weight", {s.mid, s.in, 1, 1}, Along::kMid, Along::kOther},
      {prefix + "depth_conv.conv.conv.weight", {s.mid, 1, 7, 7}, Along::kMid, Along::kOther},
      {prefix + "point_linear.conv.conv.weight", {s.out, s.mid, 1, 1}, Along::kOther, Along::kMid}};
  for (const char* norm : {"inverted_bottleneck.bn.bn.", "depth_conv.bn.bn."}) {
    for (const char* vector : {"weight", "bias", "running_mean", "running_var"}) {
      tensors.push_back({prefix + norm + vector, {s.mid}, Along::kMid, Along::kOther});
    }
  }
  if (s.squeeze > 0) {
    const std::string fc = prefix + "depth_conv.se.fc.";
    tensors.push_back({fc + "reduce.weight", {s.squeeze, s.mid, 1, 1}, Along::kHidden, Along::kMid});
    tensors.push_back({fc + "reduce.bias", {s.squeeze}, Along::kHidden, Along::kOther});
    tensors.push_back({fc + "expand.weight", {s.mid, s.squeeze, 1, 1}, Along::kMid, Along::kHidden});
    tensors.push_back({fc + "expand.bias", {s.mid}, Along::kMid, Along::kOther});
  }
  return tensors;
}

absl::StatusOr<TensorView> Find(const TensorMap& weights, const Permuted& permuted) {
  absl::StatusOr<TensorView> view = weights.Get(permuted.name);
  if (!view.ok()) return view;
  if (view->desc.dtype != DType::kF32 && view->desc.dtype != DType::kF64) {
    return absl::InvalidArgumentError(
        fmt::format("tensor {}: {}, expected F32 or F64", permuted.name, Name(view->desc.dtype)));
  }
  if (view->desc.shape != permuted.shape) {
    return absl::InvalidArgumentError(fmt::format("tensor {}: shape {}, expected {}", permuted.name,
                                                  kernels::ToString(view->desc.shape),
                                                  kernels::ToString(permuted.shape)));
  }
  return view;
}

// Sums of |weight| of a 1x1 convolution over its outputs, by input channel.
template <typename T>
std::vector<double> ImportanceOfInputs(const TensorView& weight) {
  const int64_t rows = weight.desc.shape[0], columns = weight.desc.shape[1];
  std::vector<double> importance(static_cast<size_t>(columns));
  const std::span<const T> values = weight.as<T>();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) importance[c] += std::abs(static_cast<double>(values[r * columns + c]));
  }
  return importance;
}

// The channels of the inputs of a 1x1 convolution, the most important first, within groups: channels from the first
// bound on come behind those before it, and so on; `bounds` ascend.
std::vector<int64_t> Order(const TensorView& weight, std::span<const int64_t> bounds) {
  const std::vector<double> importance =
      weight.desc.dtype == DType::kF32 ? ImportanceOfInputs<float>(weight) : ImportanceOfInputs<double>(weight);
  std::vector<int64_t> order(importance.size());
  std::iota(order.begin(), order.end(), 0);
  auto begin = order.begin();
  const auto sort_up_to = [&](int64_t end) {
    std::stable_sort(begin, order.begin() + end, [&](int64_t a, int64_t b) { return importance[a] > importance[b]; });
    begin = order.begin() + end;
  };
  for (const int64_t bound : bounds) sort_up_to(bound);
  sort_up_to(std::ssize(order));
  return order;
}

// New row i is old row rows[i], new column j old column columns[j]; an empty order leaves them as they are.
void Permute(const TensorView& tensor, std::span<const int64_t> rows, std::span<const int64_t> columns) {
  const Shape& shape = tensor.desc.shape;
  const int64_t row_count = shape[0], column_count = shape.size() > 1 ? shape[1] : 1;
  const size_t bytes = tensor.desc.bytes() / static_cast<size_t>(row_count * column_count);  // of one row and column
  auto* const data = static_cast<char*>(tensor.data);
  const std::vector<char> old(data, data + tensor.desc.bytes());
  for (int64_t r = 0; r < row_count; ++r) {
    for (int64_t c = 0; c < column_count; ++c) {
      const int64_t from = (rows.empty() ? r : rows[r]) * column_count + (columns.empty() ? c : columns[c]);
      std::memcpy(data + static_cast<size_t>(r * column_count + c) * bytes,
                  old.data() + static_cast<size_t>(from) * bytes, bytes);
    }
  }
}

absl::Status CheckExpansions(int stage, std::span<const int> expansions) {
  for (size_t i = 0; i < expansions.size(); ++i) {
    const bool known = std::find(kExpansions.begin(), kExpansions.end(), expansions[i]) != kExpansions.end();
    if (!known || std::count(expansions.begin(), expansions.end(), expansions[i]) > 1) {
      return absl::InvalidArgumentError(fmt::format("expansions[{}]: {}, expected each of {} at most once", i,
                                                    expansions[i], fmt::join(kExpansions, ", ")));
    }
  }
  if (stage < 0 || stage >= std::ssize(expansions)) {
    return absl::InvalidArgumentError(
        fmt::format("stage of channel sorting: {}, expected 0 to one less than the {} "
                    "expansions",
                    stage, expansions.size()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SortChannels(const Widths& widths, int stage, std::span<const int> expansions, TensorMap& weights) {
  if (auto s = CheckExpansions(stage, expansions); !s.ok()) return s;
  std::vector<int> descending(expansions.begin(), expansions.end());
  std::sort(descending.begin(), descending.end(), std::greater<>());

  std::array<std::vector<Permuted>, kBlocks> tensors;
  for (int block = 0; block < kBlocks; ++block) {
    tensors[block] = PermutedTensors(block, ShapeOf(widths, block));
    for (const Permuted& permuted : tensors[block]) {
      if (auto view = Find(weights, permuted); !view.ok()) return view.status();
    }
  }
  for (int block = 0; block < kBlocks; ++block) {
    std::vector<int64_t> bounds;
    // The last bound is the end unless the largest expansion is not in use.
    for (int i = stage; stage > 0 && i >= 0; --i) bounds.push_back(ShapeOf(widths, block, descending[i]).mid);
    const std::string prefix = fmt::format("blocks.{}.conv.", block + 1);
    const std::vector<int64_t> mid = Order(*weights.Get(prefix + "point_linear.conv.conv.weight"), bounds);
    std::vector<int64_t> hidden;
    if (ShapeOf(widths, block).squeeze > 0) {
      // A sum over all middle channels: whether they are permuted before or after is the same.
      hidden = Order(*weights.Get(prefix + "depth_conv.se.fc.expand.weight"), {});
    }
    const auto order = [&](Along along) -> std::span<const int64_t> {
      if (along == Along::kOther) return {};
      return along == Along::kMid ? mid : hidden;
    };
    for (const Permuted& permuted : tensors[block]) {
      Permute(*weights.Get(permuted.name), order(permuted.rows), order(permuted.columns));
    }
  }
  return absl::OkStatus();
}

}  // namespace mathnas::supernet::mobilenetv3
