#include "mathnas/core/predict_many.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "mathnas/core/internal/vector/kernels.h"

namespace mathnas::core {
namespace {

using internal::CellWord;
using internal::CodeTable;
using internal::kBlockRows;
using internal::NodeCodes;
using internal::NumberWeights;
using internal::ValueForm;
using internal::VectorKernels;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kStreamedBytes = 8 << 20;  // results larger than this leave the caches to others
constexpr int64_t kRowsPerThread = 1 << 15;  // below, a thread takes longer to start than it saves
constexpr size_t kMaxDepthGroups = 64;       // bits of a word
constexpr uint64_t kNoCode = ~uint64_t{0};
// A space this small is predicted whole, once, for calls with several times as many rows. Its numbers of two codes fit
// 16 bits with sign, its values a cache of the second level.
constexpr int64_t kKnownNetworks = 1 << 15;
constexpr size_t kKnownBytes = 1 << 20;
constexpr int64_t kRowsPerKnown = 4;

// ChoiceRows and ValueColumns of either type: strides in entries, sizes of entries in bytes.
struct Rows {
  const uint8_t* data;
  int64_t rows, stride, size;
};
struct Columns {
  uint8_t* data;
  int64_t stride, size;
};

struct alignas(64) Line {
  double entry[8];
};

// How the codes of one or two bytes lie in 64-bit words.
struct Coding {
  CodeTable table;  // refers to the vectors
  std::vector<uint64_t> limits;
  std::vector<NodeCodes> nodes;
  std::vector<CellWord> cell;
  std::vector<std::vector<uint64_t>> keep;  // by word of the cell
};

// The edges of a cell by node: bit p of a set stands for edge order[p], whatever the width of codes.
std::vector<size_t> EdgesByNode(const CellStructure& cell) {
  std::vector<size_t> order;
  const auto before = [&](size_t a, size_t b) { return cell.edges[a].node < cell.edges[b].node; };
  for (size_t e = 0; e < cell.edges.size(); ++e) {
    order.insert(std::upper_bound(order.begin(), order.end(), e, before), e);
  }
  return order;
}

uint32_t CarryingOf(uint32_t set, const std::vector<size_t>& order) {
  uint32_t carrying = 0;
  for (size_t p = 0; p < order.size(); ++p) carrying |= (set >> p & 1) << order[p];
  return carrying;
}

void AddCell(const CellStructure& cell, Coding& coding) {
  const int bits = coding.table.wide ? 16 : 8, per_word = 64 / bits;
  const uint64_t ones = (uint64_t{1} << bits) - 1;
  const std::vector<size_t> order = EdgesByNode(cell);
  const auto word_of = [&](size_t e) { return static_cast<uint32_t>(cell.edges[e].node / per_word); };
  const auto shift_of = [&](size_t e) { return cell.edges[e].node % per_word * bits; };
  for (size_t p = 0; p < order.size(); ++p) {
    if (coding.cell.empty() || coding.cell.back().word != word_of(order[p])) {
      coding.cell.push_back({.word = word_of(order[p]), .offset = static_cast<uint32_t>(p)});
    }
    CellWord& word = coding.cell.back();
    word.none |= static_cast<uint64_t>(cell.edges[order[p]].none) << shift_of(order[p]);
    word.weights |= uint64_t{1} << (static_cast<uint32_t>(shift_of(order[p])) + p - word.offset);
  }
  const uint32_t sets = uint32_t{1} << order.size();
  coding.keep.assign(coding.cell.size(), std::vector<uint64_t>(sets, kNoCode));
  for (uint32_t set = 0; set < sets; ++set) {
    const uint32_t live = LiveEdges(cell, CarryingOf(set, order));
    for (size_t w = 0; w < coding.cell.size(); ++w) {
      for (const size_t e : order) {
        const bool dead = (live >> e & 1) == 0;
        if (dead && word_of(e) == coding.cell[w].word) coding.keep[w][set] &= ~(ones << shift_of(e));
      }
    }
  }
  for (size_t w = 0; w < coding.cell.size(); ++w) coding.cell[w].keep = coding.keep[w].data();
}

// Nullopt if there are too many, or nodes and candidates that weights have no room for.
std::optional<NumberWeights> NumbersOf(const std::vector<int>& candidates) {
  NumberWeights weights;
  if (candidates.size() > std::size(weights.codes)) return std::nullopt;
  int64_t networks = 1;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const int64_t weight = i % 2 == 0 ? 1 : candidates[i - 1];
    if (weight > std::numeric_limits<int8_t>::max()) return std::nullopt;
    weights.codes[i] = static_cast<int8_t>(weight);
    if (i == 4) weights.second = static_cast<uint32_t>(networks);
    if (i % 4 == 0) weights.pairs[i / 2] = 1;
    if (i % 4 == 2) weights.pairs[i / 2] = static_cast<int16_t>(candidates[i - 2] * candidates[i - 1]);
    networks *= candidates[i];
    if (networks > kKnownNetworks) return std::nullopt;
  }
  return weights;
}

}  // namespace

// What a predictor keeps; nothing of it moves once it is made.
struct ManyPredictor::Tables {
  std::vector<int> candidates;     // by node
  std::vector<double> constants;   // by channel: the sum of every metric, then the denominator if there is one
  std::vector<Line> terms;         // by node, then channel
  std::vector<ValueForm> metrics;  // by metric
  std::vector<double> cut;         // by set of carrying edges; empty if there is no cell
  int64_t networks = 0;            // of a space that may be predicted whole
  NumberWeights numbers;           // of these
  Coding coding[2];                // of one byte, of two

  absl::Status AddMetrics(const Estimator& estimator, std::span<const std::string> names, int shared) {
    std::vector<const LinearForm*> channels;
    const LinearForm* denominator = nullptr;
    for (const std::string& name : names) {
      const absl::StatusOr<const MetricForm*> form = estimator.FormOf(name, shared);
      if (!form.ok()) return form.status();
      channels.push_back(&(*form)->sum);
      if ((*form)->divided) denominator = &(*form)->denominator;  // the same for all
      metrics.push_back(internal::MakeValueForm(**form));
    }
    if (denominator != nullptr) channels.push_back(denominator);
    for (const LinearForm* channel : channels) constants.push_back(channel->constant);
    AddTerms(estimator.table(), channels);
    if (const auto weights = NumbersOf(candidates)) {
      const int64_t count = std::accumulate(candidates.begin(), candidates.end(), int64_t{1}, std::multiplies<>());
      if (static_cast<size_t>(count) * metrics.size() * sizeof(double) <= kKnownBytes) {
        networks = count;
        numbers = *weights;
      }
    }
    return absl::OkStatus();
  }

  void AddTerms(const BlockTable& table, const std::vector<const LinearForm*>& channels) {
    std::vector<NodeCodes>& nodes = coding[0].nodes;
    nodes.resize(table.nodes.size());
    for (size_t g = 0; g < table.structure.depth.size(); ++g) {
      const DepthGroup& group = table.structure.depth[g];
      for (size_t p = 0; p < group.nodes.size(); ++p) {
        NodeCodes& node = nodes[static_cast<size_t>(group.nodes[p])];
        node.group_bit = uint64_t{1} << g;
        node.absent = group.absent[p] == DepthGroup::kCannotBeCut ? kNoCode : static_cast<uint64_t>(group.absent[p]);
      }
    }
    for (size_t i = 0; i < nodes.size(); ++i) {
      const size_t count = table.nodes[i].candidates.size();
      candidates.push_back(static_cast<int>(count));
      nodes[i].behind_cut = count;
      const size_t lines = (count + (nodes[i].group_bit != 0 ? 1 : 0) + 7) / 8;
      nodes[i].size = static_cast<int64_t>(8 * lines);
      for (const LinearForm* channel : channels) {
        std::vector<double> row = channel->terms[i];
        row.resize(8 * lines, -0.0);
        for (size_t l = 0; l < lines; ++l) {
          std::copy_n(row.begin() + static_cast<std::ptrdiff_t>(8 * l), 8, terms.emplace_back().entry);
        }
      }
    }
    const Line* at = terms.data();
    for (NodeCodes& node : nodes) {
      node.terms = at->entry;
      at += node.size / 8 * std::ssize(channels);
    }
    coding[1].nodes = nodes;
  }

  void AddCoding(const BlockTable& table, bool wide) {
    Coding& c = coding[wide ? 1 : 0];
    const size_t bits = wide ? 16 : 8, per_word = 64 / bits;
    const uint64_t ones = (uint64_t{1} << bits) - 1;
    c.limits.assign((c.nodes.size() + per_word - 1) / per_word, kNoCode);
    for (size_t i = 0; i < c.nodes.size(); ++i) {
      c.nodes[i].word = static_cast<uint32_t>(i / per_word);
      c.nodes[i].shift = static_cast<uint32_t>(i % per_word * bits);
      const uint64_t limit = std::min(static_cast<uint64_t>(candidates[i]) - 1, ones);
      c.limits[i / per_word] ^= (limit ^ ones) << c.nodes[i].shift;
    }
    c.table = {.wide = wide,
               .row_bytes = static_cast<int64_t>(c.nodes.size() * bits / 8),
               .words = std::ssize(c.limits),
               .nodes = std::ssize(c.nodes),
               .channels = std::ssize(constants),
               .limits = c.limits.data(),
               .node = c.nodes.data(),
               .constants = constants.data()};
    if (!table.structure.cell) return;
    AddCell(*table.structure.cell, c);
    c.table.cell_words = std::ssize(c.cell);
    c.table.cell = c.cell.data();
    c.table.cut = cut.data();
  }

  absl::Status OutOfRange(int64_t row, int64_t node, int64_t found) const {
    return absl::InvalidArgumentError(fmt::format("choices[{}][{}]: expected a candidate index from 0 to {}, found {}",
                                                  row, node, candidates[static_cast<size_t>(node)] - 1, found));
  }

  // The values of every network by its number, then metric; made when they are asked for first.
  const std::vector<double>& Known(const PredictManyOptions& options) const;

  absl::Status Predict(Rows choices, Columns values, const PredictManyOptions& options) const;

 private:
  mutable std::once_flag known_once_;
  mutable std::vector<double> known_;
};

namespace {

// A range of rows on one thread.
class Pass {
 public:
  // `known`: the values of every network, by `numbers`; null where they have to be computed.
  Pass(const VectorKernels& kernels, const CodeTable& table, const std::vector<ValueForm>& metrics, const Rows& choices,
       const Columns& values, bool stream, const NumberWeights& numbers, const double* known)
      : kernels_(kernels),
        table_(table),
        metrics_(metrics),
        choices_(choices),
        values_(values),
        stream_(stream),
        numbers_(numbers),
        known_(known),
        words_(static_cast<size_t>(table.words * kBlockRows)),
        totals_(known == nullptr ? static_cast<size_t>(table.channels * kBlockRows) : 0),
        poison_(known == nullptr && table.cell_words > 0 ? kBlockRows : 0) {
    if (known != nullptr) table_.cell_words = 0;  // networks are told apart by their choices
  }

  // The first row of the block with a choice out of range, or -1.
  int64_t Run(int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end;) {
      const int64_t next = std::min(end, NextBlock(row));
      if (!Block(row, next - row)) return row;
      row = next;
    }
    if (stream_) kernels_.fence();
    return -1;
  }

 private:
  // Blocks end where a line of the first column does.
  int64_t NextBlock(int64_t row) const {
    const auto misfit = reinterpret_cast<uintptr_t>(values_.data + row * values_.size) % 64;
    return row + kBlockRows - static_cast<int64_t>(misfit) / values_.size;
  }

  bool Block(int64_t row, int64_t count) {
    const int64_t stride = choices_.stride * choices_.size;
    const uint8_t* rows = choices_.data + row * stride;
    const int64_t available = (choices_.rows - 1 - row) * stride + table_.row_bytes;
    if (!kernels_.load(table_, rows, stride, count, available, words_.data(), poison_.data())) return false;
    known_ != nullptr ? Recall(row, count) : Compute(row, count);
    return true;
  }

  void Recall(int64_t row, int64_t count) {
    const int64_t metrics = std::ssize(metrics_);
    for (int64_t k = 0; k < metrics; ++k) {
      const auto recall = [&](auto kernel, auto* to) {
        kernel(numbers_, known_ + k, metrics, words_.data(), count, to, stream_);
      };
      values_.size == sizeof(double) ? recall(kernels_.recall_double, Column<double>(k, row))
                                     : recall(kernels_.recall_float, Column<float>(k, row));
    }
  }

  void Compute(int64_t row, int64_t count) {
    kernels_.totals(table_, words_.data(), count, totals_.data());
    const double* denominator = totals_.data() + (table_.channels - 1) * kBlockRows;
    const double* poison = poison_.empty() ? nullptr : poison_.data();
    for (size_t k = 0; k < metrics_.size(); ++k) {
      const double* sum = totals_.data() + static_cast<int64_t>(k) * kBlockRows;
      const auto finish = [&](auto kernel, auto* to) {
        kernel(metrics_[k], sum, denominator, poison, count, to, stream_);
      };
      const auto metric = static_cast<int64_t>(k);
      values_.size == sizeof(double) ? finish(kernels_.finish_double, Column<double>(metric, row))
                                     : finish(kernels_.finish_float, Column<float>(metric, row));
    }
  }

  template <typename Value>
  Value* Column(int64_t metric, int64_t row) const {
    return reinterpret_cast<Value*>(values_.data + (metric * values_.stride + row) * values_.size);
  }

  const VectorKernels& kernels_;
  CodeTable table_;
  const std::vector<ValueForm>& metrics_;
  const Rows& choices_;
  const Columns& values_;
  const bool stream_;
  const NumberWeights& numbers_;
  const double* known_;
  std::vector<uint64_t> words_;
  std::vector<double> totals_;
  std::vector<double> poison_;
};

}  // namespace

const std::vector<double>& ManyPredictor::Tables::Known(const PredictManyOptions& options) const {
  std::call_once(known_once_, [&] {
    const size_t nodes = candidates.size(), count = metrics.size(), rows = static_cast<size_t>(networks);
    std::vector<uint16_t> choices(rows * nodes);  // of two bytes, which are always computed
    for (size_t r = 0; r < rows; ++r) {
      size_t number = r;
      for (size_t i = 0; i < nodes; ++i) {
        const auto of_node = static_cast<size_t>(candidates[i]);
        choices[r * nodes + i] = static_cast<uint16_t>(number % of_node);
        number /= of_node;
      }
    }
    std::vector<double> columns(rows * count);
    Predict({reinterpret_cast<const uint8_t*>(choices.data()), networks, 0, sizeof(uint16_t)},
            {reinterpret_cast<uint8_t*>(columns.data()), 0, sizeof(double)}, options)
        .IgnoreError();  // all choices are within range
    known_.resize(columns.size());
    for (size_t r = 0; r < rows; ++r) {
      for (size_t k = 0; k < count; ++k) known_[r * count + k] = columns[k * rows + r];
    }
  });
  return known_;
}

absl::Status ManyPredictor::Tables::Predict(Rows choices, Columns values, const PredictManyOptions& options) const {
  const int64_t nodes = std::ssize(candidates);
  if (choices.stride == 0) choices.stride = nodes;
  if (values.stride == 0) values.stride = choices.rows;
  if (choices.stride < nodes || values.stride < choices.rows || choices.rows < 0 || options.threads < 1) {
    return absl::InvalidArgumentError(
        fmt::format("choices, values: expected strides of at least {} and {}, and a thread, found {}, {} and {}", nodes,
                    choices.rows, choices.stride, values.stride, options.threads));
  }
  if (choices.rows == 0) return absl::OkStatus();
  const VectorKernels& kernels = internal::Vector(options.isa);
  const CodeTable& table = coding[choices.size - 1].table;
  const bool stream = choices.rows * std::ssize(metrics) * values.size > kStreamedBytes;
  const int64_t threads = std::clamp<int64_t>(choices.rows / kRowsPerThread, 1, options.threads);
  const bool recalls = choices.size == 1 && networks > 0 && choices.rows >= kRowsPerKnown * networks;
  const double* known = recalls ? Known(options).data() : nullptr;
  std::vector<int64_t> bad(static_cast<size_t>(threads), -1);
  const auto work = [&](int64_t t) {
    bad[static_cast<size_t>(t)] = Pass(kernels, table, metrics, choices, values, stream, numbers, known)
                                      .Run(choices.rows * t / threads, choices.rows * (t + 1) / threads);
  };
  std::vector<std::thread> others;
  for (int64_t t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
  const auto first = std::find_if(bad.begin(), bad.end(), [](int64_t row) { return row >= 0; });
  if (first == bad.end()) return absl::OkStatus();
  for (int64_t row = *first;; ++row) {
    for (int64_t i = 0; i < nodes; ++i) {
      uint16_t code = 0;
      std::memcpy(&code, choices.data + (row * choices.stride + i) * choices.size, static_cast<size_t>(choices.size));
      if (code >= candidates[static_cast<size_t>(i)]) return OutOfRange(row, i, code);
    }
  }
}

namespace {

template <typename Index>
Rows Erased(const ChoiceRows<Index>& choices) {
  return {reinterpret_cast<const uint8_t*>(choices.data), choices.rows, choices.stride, sizeof(Index)};
}

template <typename Value>
Columns Erased(const ValueColumns<Value>& values) {
  return {reinterpret_cast<uint8_t*>(values.data), values.stride, sizeof(Value)};
}

}  // namespace

absl::StatusOr<ManyPredictor> ManyPredictor::Create(const Estimator& estimator, std::span<const std::string> metrics,
                                                    int shared) {
  const BlockTable& table = estimator.table();
  if (metrics.empty()) return absl::InvalidArgumentError("metrics: expected at least one, found none");
  if (table.structure.depth.size() > kMaxDepthGroups) {
    return absl::InvalidArgumentError(fmt::format("structure: expected at most {} depth groups, found {}",
                                                  kMaxDepthGroups, table.structure.depth.size()));
  }
  const auto tables = std::make_shared<Tables>();
  if (absl::Status status = tables->AddMetrics(estimator, metrics, shared); !status.ok()) return status;
  if (const auto& cell = table.structure.cell) {
    const std::vector<size_t> order = EdgesByNode(*cell);
    for (uint32_t set = 0; set < uint32_t{1} << order.size(); ++set) {
      tables->cut.push_back(IsConnected(*cell, CarryingOf(set, order)) ? -0.0 : kNaN);
    }
  }
  for (const bool wide : {false, true}) tables->AddCoding(table, wide);
  return ManyPredictor(tables);
}

absl::Status ManyPredictor::Predict(const ChoiceRows<uint8_t>& choices, const ValueColumns<double>& values,
                                    const PredictManyOptions& options) const {
  return tables_->Predict(Erased(choices), Erased(values), options);
}

absl::Status ManyPredictor::Predict(const ChoiceRows<uint8_t>& choices, const ValueColumns<float>& values,
                                    const PredictManyOptions& options) const {
  return tables_->Predict(Erased(choices), Erased(values), options);
}

absl::Status ManyPredictor::Predict(const ChoiceRows<uint16_t>& choices, const ValueColumns<double>& values,
                                    const PredictManyOptions& options) const {
  return tables_->Predict(Erased(choices), Erased(values), options);
}

absl::Status ManyPredictor::Predict(const ChoiceRows<uint16_t>& choices, const ValueColumns<float>& values,
                                    const PredictManyOptions& options) const {
  return tables_->Predict(Erased(choices), Erased(values), options);
}

std::string_view InstructionSet(std::string_view isa) { return internal::Vector(isa).name; }

}  // namespace mathnas::core
