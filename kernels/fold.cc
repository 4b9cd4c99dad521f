#include "kernels/fold.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "kernels/zeros.h"

namespace mathnas::kernels {
namespace {

// A convolution without activation and addend: what follows linearly can still become part of it.
bool IsPlainConvolution(const Operator& op) {
  const auto* conv = std::get_if<Conv2d>(&op);
  return conv != nullptr && !conv->has_addend && conv->activation == Activation::kNone;
}

// kNone of other operators.
Activation ActivationOf(const Operator& op) {
  if (std::holds_alternative<Relu>(op)) return Activation::kRelu;
  if (std::holds_alternative<HardSwish>(op)) return Activation::kHardSwish;
  if (std::holds_alternative<Swish>(op)) return Activation::kSwish;
  return Activation::kNone;
}

// The nodes of the graph as a list that can be changed, and passes over that list in the order of the member functions.
// Values are those of the original graph; new ones follow after them.
class Folder {
 public:
  // Tensors that stay as they are are taken out of `source`, which is null or `weights`.
  Folder(const Graph& graph, absl::Span<const PlanOutput> outputs, const TensorMap& weights, TensorMap* source)
      : graph_(graph), outputs_(outputs), weights_(weights), source_(source), values_(graph.values().size()) {}

  absl::StatusOr<FoldedGraph> Run() {
    if (auto s = CheckGraph(); !s.ok()) return s;
    ReducedGraph reduced = FollowZeros(graph_);
    items_ = std::move(reduced.nodes);
    stands_for_ = std::move(reduced.stands_for);
    DropDead();
    if (auto s = CheckWeights(); !s.ok()) return s;
    MakeSlicesDense();
    FoldBatchNorms();
    FoldLayerScales();
    AccumulateSums();
    FuseActivations();
    FuseExpansions();
    return Build();
  }

 private:
  using Item = ReducedNode;
  // By value: which item computes it (-1: none), and how many operands and outputs read it.
  struct Links {
    std::vector<int32_t> producer;
    std::vector<int32_t> readers;
  };

  absl::Status CheckGraph() const {
    if (!graph_.status().ok()) return graph_.status();
    if (graph_.real() != DType::kF32) {
      return absl::InvalidArgumentError(
          fmt::format("the graph is {}, expected {}", Name(graph_.real()), Name(DType::kF32)));
    }
    for (const PlanOutput& o : outputs_) {
      if (!o.value.valid() || static_cast<size_t>(o.value.id) >= graph_.values().size()) {
        return absl::InvalidArgumentError(fmt::format("output \"{}\" is not a value of the graph", o.name));
      }
    }
    for (const Graph::Node& node : graph_.nodes()) {
      if (ChangesState(node.op)) {
        return absl::InvalidArgumentError(
            fmt::format("{} changes states, expected a graph for inference", NameOf(node.op)));
      }
    }
    return absl::OkStatus();
  }

  void DropDead() {
    std::vector<bool> needed(values_, false);
    for (const PlanOutput& o : outputs_) needed[stands_for_[o.value.id].id] = true;
    std::vector<Item> live;  // last first
    for (size_t n = items_.size(); n-- > 0;) {
      Item& item = items_[n];
      // A value that another stands for has no readers.
      if (std::none_of(item.outputs.begin(), item.outputs.end(), [&](Value v) { return needed[v.id]; })) continue;
      for (Value v : item.inputs) needed[v.id] = true;
      live.push_back(std::move(item));
    }
    std::reverse(live.begin(), live.end());
    items_ = std::move(live);
  }

  // Of every parameter and state that is read.
  absl::Status CheckWeights() const {
    const Links links = Link();
    for (ValueKind kind : {ValueKind::kParameter, ValueKind::kState}) {
      for (Value v : graph_.Leaves(kind)) {
        if (links.readers[v.id] == 0) continue;
        const std::string& name = graph_.info(v).name;
        const TensorDesc& expected = graph_.desc(v);
        const Tensor* tensor = weights_.Find(name);
        if (tensor == nullptr) return absl::NotFoundError(fmt::format("tensor \"{}\": missing", name));
        if (tensor->desc() != expected) {
          return absl::InvalidArgumentError(fmt::format("tensor \"{}\" is {} {}, expected {} {}", name,
                                                        Name(tensor->desc().dtype), ToString(tensor->shape()),
                                                        Name(expected.dtype), ToString(expected.shape)));
        }
      }
    }
    return absl::OkStatus();
  }

  // Parts of larger constants become constants: kernels that take no slices need no copies then, and what is not read
  // is not kept.
  void MakeSlicesDense() {
    std::vector<bool> gone(items_.size(), false);
    std::map<int32_t, Value> dense;  // by the slice
    const auto is_output = [&](Value v) {
      return std::any_of(outputs_.begin(), outputs_.end(),
                         [&](const PlanOutput& o) { return stands_for_[o.value.id] == v; });
    };
    for (size_t n = 0; n < items_.size(); ++n) {
      for (Value& v : items_[n].inputs) {
        if (const auto found = dense.find(v.id); found != dense.end()) v = found->second;
      }
      const auto* slice = std::get_if<Slice>(&items_[n].op);
      if (slice == nullptr || Constant(items_[n].inputs[0]) == nullptr || is_output(items_[n].outputs[0])) continue;
      const Value view = items_[n].outputs[0];
      const Tensor& whole = *Constant(items_[n].inputs[0]);
      const TensorDesc& part = graph_.desc(view);
      Tensor copy = Tensor::Uninitialized({DType::kF32, part.shape});
      const int64_t rows = part.shape[0], row = rows == 0 ? 0 : copy.desc().elements() / rows;
      const int64_t stride = whole.desc().row_elements();
      const float* from = whole.as<float>().data() + slice->begin * stride;
      for (int64_t r = 0; r < rows; ++r) std::copy_n(from + r * stride, row, copy.as<float>().data() + r * row);
      dense[view.id] = AddParameter(NameOfConstant(items_[n].inputs[0]) + ".part", std::move(copy));
      gone[n] = true;
    }
    Erase(gone);
  }

  // (x W' + b) scale = x (W scale)' + b scale.
  void FoldLayerScales() {
    const Links links = Link();
    std::vector<bool> gone(items_.size(), false);
    for (size_t n = 0; n < items_.size(); ++n) {
      const auto* scale = std::get_if<LayerScale>(&items_[n].op);
      if (scale == nullptr) continue;
      const Value x = items_[n].inputs[0];
      const int32_t producer = links.producer[x.id];
      if (producer < 0 || links.readers[x.id] != 1) continue;
      Item& linear = items_[producer];
      if (!std::holds_alternative<Linear>(linear.op)) continue;
      const Tensor* table = Constant(items_[n].inputs[1]);
      const auto is_constant = [&](Value v) { return Constant(v) != nullptr; };
      if (table == nullptr || !std::all_of(linear.inputs.begin() + 1, linear.inputs.end(), is_constant)) continue;
      const auto row = table->as<float>().subspan(static_cast<size_t>(scale->row * table->shape().back()));
      for (size_t i = 1; i < linear.inputs.size(); ++i) {  // weights{out,..} and bias{out}
        const Tensor& old = *Constant(linear.inputs[i]);
        Tensor scaled = Tensor::Uninitialized(old.desc());
        const auto from = old.as<float>(), to = scaled.as<float>();
        const size_t inner = from.empty() ? 1 : from.size() / static_cast<size_t>(old.shape()[0]);
        for (size_t k = 0; k < from.size(); ++k) to[k] = static_cast<float>(from[k] * scale->factor * row[k / inner]);
        linear.inputs[i] = AddParameter(NameOfConstant(linear.inputs[i]) + ".scaled", std::move(scaled));
      }
      linear.outputs = items_[n].outputs;
      gone[n] = true;
    }
    Erase(gone);
  }

  void FoldBatchNorms() {
    const Links links = Link();
    std::vector<bool> gone(items_.size(), false);
    for (size_t n = 0; n < items_.size(); ++n) {
      if (!std::holds_alternative<BatchNormInference>(items_[n].op)) continue;
      const Values& inputs = items_[n].inputs;
      const int32_t producer = links.producer[inputs[0].id];
      if (producer < 0 || links.readers[inputs[0].id] != 1) continue;
      Item& convolution = items_[producer];
      if (!IsPlainConvolution(convolution.op)) continue;
      const auto is_constant = [&](Value v) { return Constant(v) != nullptr; };
      if (!std::all_of(inputs.begin() + 1, inputs.end(), is_constant)) continue;
      if (!std::all_of(convolution.inputs.begin() + 1, convolution.inputs.end(), is_constant)) continue;
      FoldInto(convolution, items_[n]);
      gone[n] = true;
    }
    Erase(gone);
  }

  // y = (conv + bias - mean) * scale + beta, scale = gamma / sqrt(var + epsilon), is a convolution with scaled weights.
  void FoldInto(Item& convolution, const Item& norm) {
    auto& conv = std::get<Conv2d>(convolution.op);
    const auto& bn = std::get<BatchNormInference>(norm.op);
    const Tensor& weights = *Constant(convolution.inputs[1]);
    const auto vector = [&](size_t input) { return Constant(norm.inputs[input])->as<float>(); };
    const auto mean = vector(norm.inputs.size() - 2), var = vector(norm.inputs.size() - 1);

    const int64_t channels = weights.shape()[0];
    Tensor folded = Tensor::Uninitialized(weights.desc());
    Tensor bias = Tensor::Uninitialized({DType::kF32, {channels}});
    const auto from = weights.as<float>(), to = folded.as<float>();
    const size_t taps = channels == 0 ? 0 : from.size() / static_cast<size_t>(channels);
    for (int64_t c = 0; c < channels; ++c) {
      const double gamma = bn.affine ? vector(1)[c] : 1, beta = bn.affine ? vector(2)[c] : 0;
      const double scale = gamma / std::sqrt(static_cast<double>(var[c]) + bn.epsilon);
      const double old_bias = conv.has_bias ? Constant(convolution.inputs[2])->as<float>()[c] : 0;
      for (size_t t = c * taps; t < (c + 1) * taps; ++t) to[t] = static_cast<float>(from[t] * scale);
      bias.as<float>()[c] = static_cast<float>((old_bias - mean[c]) * scale + beta);
    }

    const std::string name = NameOfConstant(convolution.inputs[1]);
    std::string_view base = name;
    if (base.ends_with(".weight")) base.remove_suffix(std::string_view(".weight").size());
    const Value src = convolution.inputs[0];
    convolution.inputs = {src, AddParameter(fmt::format("{}.folded_weight", base), std::move(folded)),
                          AddParameter(fmt::format("{}.folded_bias", base), std::move(bias))};
    conv.has_bias = true;
    conv.activation = bn.relu ? Activation::kRelu : Activation::kNone;
    convolution.outputs = norm.outputs;
  }

  // The terms of a sum: convolutions that run at the place of the sum, one onto the other, and the rest.
  struct Sum {
    std::vector<size_t> convolutions;  // items
    Values rest;
  };

  Sum TakeApart(const Item& add, const Links& links) const {
    Sum sum;
    for (Value v : add.inputs) {
      const int32_t producer = links.producer[v.id];
      if (producer >= 0 && links.readers[v.id] == 1 && IsPlainConvolution(items_[producer].op)) {
        sum.convolutions.push_back(producer);
      } else {
        sum.rest.push_back(v);
      }
    }
    if (sum.rest.size() != 1) return sum;
    // A convolution must not write over its own source, so it cannot accumulate onto it.
    const Value addend = sum.rest[0];
    std::erase_if(sum.convolutions, [&](size_t n) {
      const bool reads_addend = items_[n].inputs[0] == addend;
      if (reads_addend) sum.rest.push_back(items_[n].outputs[0]);
      return reads_addend;
    });
    return sum;
  }

  void AccumulateSums() {
    const Links links = Link();
    std::map<size_t, Sum> sums;
    std::vector<bool> moves(items_.size(), false);
    for (size_t n = 0; n < items_.size(); ++n) {
      if (!std::holds_alternative<Add>(items_[n].op)) continue;
      Sum sum = TakeApart(items_[n], links);
      if (sum.convolutions.empty()) continue;
      for (size_t c : sum.convolutions) moves[c] = true;
      sums.emplace(n, std::move(sum));
    }
    std::vector<Item> list;
    for (size_t n = 0; n < items_.size(); ++n) {
      if (moves[n]) continue;
      if (const auto sum = sums.find(n); sum != sums.end()) {
        Accumulate(items_[n], sum->second, list);
      } else {
        list.push_back(std::move(items_[n]));
      }
    }
    items_ = std::move(list);
  }

  // Appends the steps that compute `add` to the list.
  void Accumulate(const Item& add, const Sum& sum, std::vector<Item>& list) {
    Value total;
    if (sum.rest.size() == 1) total = sum.rest[0];
    if (sum.rest.size() > 1) {
      total = NewValue();
      list.push_back({Add{}, sum.rest, {total}, add.block});
    }
    for (size_t c : sum.convolutions) {
      Item convolution = std::move(items_[c]);
      if (total.valid()) {
        std::get<Conv2d>(convolution.op).has_addend = true;
        convolution.inputs.push_back(total);
      }
      total = c == sum.convolutions.back() ? add.outputs[0] : NewValue();
      convolution.outputs = {total};
      list.push_back(std::move(convolution));
    }
  }

  void FuseActivations() {
    const Links links = Link();
    std::vector<bool> gone(items_.size(), false);
    for (size_t n = 0; n < items_.size(); ++n) {
      const Activation activation = ActivationOf(items_[n].op);
      if (activation == Activation::kNone) continue;
      const Value x = items_[n].inputs[0];
      const int32_t producer = links.producer[x.id];
      if (producer < 0 || links.readers[x.id] != 1) continue;
      auto* conv = std::get_if<Conv2d>(&items_[producer].op);
      auto* bn = std::get_if<BatchNormInference>(&items_[producer].op);
      if (conv != nullptr && conv->activation == Activation::kNone) {
        conv->activation = activation;
      } else if (bn != nullptr && activation == Activation::kRelu) {
        bn->relu = true;
      } else {
        continue;
      }
      items_[producer].outputs = items_[n].outputs;
      gone[n] = true;
    }
    Erase(gone);
  }

  // A convolution with constant weights and bias that nothing is added to, if the operator is one.
  const Conv2d* FixedConvolution(const Item& item) const {
    const auto* conv = std::get_if<Conv2d>(&item.op);
    if (conv == nullptr || !conv->has_bias || conv->has_addend) return nullptr;
    return Constant(item.inputs[1]) != nullptr && Constant(item.inputs[2]) != nullptr ? conv : nullptr;
  }

  // Whether the map {N,H,W,C} is too large to stay in the second cache with what is read and written beside it. Smaller
  // ones cost little, and two convolutions are as fast as one operator then.
  bool IsLargeMap(Value map) const {
    constexpr int64_t kElements = 192 * 1024;  // of an image
    if (static_cast<size_t>(map.id) >= graph_.values().size()) return false;
    const Shape& shape = graph_.desc(map).shape;
    return shape[1] * shape[2] * shape[3] >= kElements;
  }

  // A 1x1 convolution that a depthwise one alone reads runs together with it where that saves writing a large map.
  void FuseExpansions() {
    const Links links = Link();
    std::vector<bool> gone(items_.size(), false);
    for (size_t n = 0; n < items_.size(); ++n) {
      const Conv2d* depthwise = FixedConvolution(items_[n]);
      if (depthwise == nullptr) continue;
      const Value x = items_[n].inputs[0];
      const int32_t producer = links.producer[x.id];
      if (producer < 0 || links.readers[x.id] != 1 || !IsLargeMap(x)) continue;
      const Conv2d* expand = FixedConvolution(items_[producer]);
      if (expand == nullptr) continue;
      const Shape &first = Constant(items_[producer].inputs[1])->shape(),
                  &second = Constant(items_[n].inputs[1])->shape();
      const bool pointwise =
          first[2] == 1 && first[3] == 1 && expand->stride == 1 && expand->padding == 0 && expand->groups == 1;
      const bool by_channel = depthwise->groups == second[0] && second[0] == first[0] && second[1] == 1;
      const bool known_kernel = second[2] == second[3] && (second[2] == 3 || second[2] == 5 || second[2] == 7);
      if (!pointwise || !by_channel || !known_kernel) continue;
      Item fused = {ExpandDepthwise{.stride = depthwise->stride,
                                    .padding = depthwise->padding,
                                    .expand_activation = expand->activation,
                                    .activation = depthwise->activation},
                    items_[producer].inputs, items_[n].outputs, items_[n].block};
      fused.inputs.insert(fused.inputs.end(), items_[n].inputs.begin() + 1, items_[n].inputs.end());
      gone[static_cast<size_t>(producer)] = true;
      items_[n] = std::move(fused);
    }
    Erase(gone);
  }

  absl::StatusOr<FoldedGraph> Build() {
    const Links links = Link();
    FoldedGraph folded;
    Graph& g = folded.graph;
    for (const std::string& block : graph_.blocks()) g.SetBlock(block);

    std::vector<Value> built(values_);
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      const Graph::ValueInfo& leaf = graph_.values()[i];
      if (leaf.kind == ValueKind::kInput) {
        built[i] = leaf.desc.dtype == DType::kI64 ? g.Integers(leaf.name, leaf.desc.shape)
                                                  : g.Input(leaf.name, leaf.desc.shape);
      } else if (leaf.kind != ValueKind::kComputed && links.readers[i] > 0) {
        const bool trainable = leaf.kind == ValueKind::kParameter;
        built[i] = trainable ? g.Parameter(leaf.name, leaf.desc.shape) : g.State(leaf.name, leaf.desc.shape);
        folded.weights.Put(leaf.name,
                           source_ != nullptr ? source_->Take(leaf.name) : weights_.Find(leaf.name)->Clone());
      }
    }
    built.resize(values_);
    for (auto& [id, parameter] : new_parameters_) {
      if (links.readers[id] == 0) continue;
      built[id] = g.Parameter(parameter.name, parameter.tensor.shape());
      folded.weights.Put(parameter.name, std::move(parameter.tensor));
    }
    for (const Item& item : items_) {
      g.SetBlock(graph_.blocks()[item.block]);
      Values inputs;
      for (Value v : item.inputs) inputs.push_back(built[v.id]);
      const Values outputs = g.Apply(item.op, inputs);
      if (!g.status().ok()) return g.status();
      for (size_t i = 0; i < item.outputs.size(); ++i) built[item.outputs[i].id] = outputs[i];
    }
    g.SetBlock("");

    for (const PlanOutput& o : outputs_) {
      const Value value = built[stands_for_[o.value.id].id];
      folded.outputs.push_back({o.name, value});
      if (!o.name.empty()) g.SetName(value, o.name);
    }
    for (size_t i = 0; i < graph_.values().size(); ++i) {
      const Graph::ValueInfo& info = graph_.values()[i];
      if (info.kind == ValueKind::kComputed && !info.name.empty()) g.SetName(built[stands_for_[i].id], info.name);
    }
    return folded;
  }

  Links Link() const {
    Links links = {std::vector<int32_t>(values_, -1), std::vector<int32_t>(values_, 0)};
    for (size_t n = 0; n < items_.size(); ++n) {
      for (Value v : items_[n].inputs) ++links.readers[v.id];
      for (Value v : items_[n].outputs) links.producer[v.id] = static_cast<int32_t>(n);
    }
    for (const PlanOutput& o : outputs_) ++links.readers[stands_for_[o.value.id].id];
    return links;
  }

  void Erase(const std::vector<bool>& gone) {
    std::vector<Item> kept;
    for (size_t n = 0; n < items_.size(); ++n) {
      if (!gone[n]) kept.push_back(std::move(items_[n]));
    }
    items_ = std::move(kept);
  }

  // The tensor of a parameter or state, of the original graph or a new one; null for other values.
  const Tensor* Constant(Value v) const {
    if (static_cast<size_t>(v.id) >= graph_.values().size()) {
      const auto found = new_parameters_.find(v.id);
      return found == new_parameters_.end() ? nullptr : &found->second.tensor;
    }
    const Graph::ValueInfo& info = graph_.info(v);
    const bool bound = info.kind == ValueKind::kParameter || info.kind == ValueKind::kState;
    return bound ? weights_.Find(info.name) : nullptr;
  }

  std::string NameOfConstant(Value v) const {
    const auto found = new_parameters_.find(v.id);
    return found == new_parameters_.end() ? graph_.info(v).name : found->second.name;
  }

  Value NewValue() { return Value{static_cast<int32_t>(values_++)}; }

  Value AddParameter(const std::string& wanted, Tensor tensor) {
    std::string name = wanted;
    for (int i = 2; graph_.Find(name).valid() || !new_names_.insert(name).second; ++i)
      name = fmt::format("{}.{}", wanted, i);
    const Value value = NewValue();
    new_parameters_.emplace(value.id, NewParameter{std::move(name), std::move(tensor)});
    return value;
  }

  struct NewParameter {
    std::string name;
    Tensor tensor;
  };

  const Graph& graph_;
  absl::Span<const PlanOutput> outputs_;
  const TensorMap& weights_;
  TensorMap* source_;
  size_t values_;                  // of the graph, and new ones
  std::vector<Value> stands_for_;  // by value of the graph: the value that is computed in its place
  std::vector<Item> items_;
  std::map<int32_t, NewParameter> new_parameters_;  // by value
  std::set<std::string> new_names_;
};

}  // namespace

absl::StatusOr<FoldedGraph> FoldForInference(const Graph& graph, absl::Span<const PlanOutput> outputs,
                                             const TensorMap& weights) {
  return Folder(graph, outputs, weights, nullptr).Run();
}

absl::StatusOr<FoldedGraph> FoldForInference(const Graph& graph, absl::Span<const PlanOutput> outputs,
                                             TensorMap&& weights) {
  return Folder(graph, outputs, weights, &weights).Run();
}

}  // namespace mathnas::kernels
