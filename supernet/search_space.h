// What a search space is to the rest of the program: nodes with candidate blocks, and the graph of any network in it.
#ifndef MATHNAS_SUPERNET_SEARCH_SPACE_H_
#define MATHNAS_SUPERNET_SEARCH_SPACE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "blocks/batch_norm.h"
#include "kernels/graph.h"

namespace mathnas::supernet {

using blocks::Mode;

// One candidate per node: the J_1 .. J_m of the paper (spec/mathnas.md 1.1).
using Choice = std::vector<int>;

struct SpaceNode {
  std::string name;
  std::vector<std::string> candidates;
  int reference;  // the candidate of the base network
};

// A space whose nodes are the edges of a small graph: what is behind `none` computes nothing (core/cell.h has the
// rule).
struct SpaceCell {
  struct Edge {
    int node, from, to, none;
  };
  std::vector<Edge> edges;
  int input, output;
};

// What ties the nodes of a space together (core/block_table.h has the same for tables).
struct SpaceStructure {
  // Nodes in their order; from the first absent one on, none of them runs (spec/mathnas.md, equation 9).
  struct DepthGroup {
    std::vector<int> nodes;
    std::vector<int> absent;  // by node: the candidate that cuts; -1: it cannot be cut here
  };
  std::vector<DepthGroup> depth;
  // The node on which the costs of all others depend (resolution), its candidates numbers; -1: none.
  int shared = -1;
};

// Where a network's weights come from: its own tensors, or slices and members of the shared ones of the supernet.
enum class Weights : uint8_t { kOwn, kShared };

// Of weights (weights.h): PyTorch's defaults; He et al. (2015) by fan-out; that with branches that begin at nothing
// (spec/search-spaces.md 5.8); Glorot and Bengio (2010).
enum class Initialization : uint8_t { kPyTorch, kHeFanOut, kNasVit, kXavier };

// What recalibration (recalibration.h) averages.
enum class BatchVariance : uint8_t { kUnbiased, kBiased };

struct GraphRequest {
  int64_t batch = 1;
  Mode mode = Mode::kInference;
  Weights weights = Weights::kOwn;
  kernels::DType real = kernels::DType::kF32;
  // Pixels of a side of the input "image", in spaces whose networks resize it to their own size; 0: that size.
  int64_t image_size = 0;
  // Of spaces that translate: tokens of a row of the inputs "source" and "previous".
  int64_t source_length = 0, target_length = 0;
  // Rates at which spaces that have it drop values in training, of activations and of attention's probabilities; above
  // 0 the graph has an input "seed"{1} int64.
  double dropout = 0, attention_dropout = 0;
  // Rate at which spaces with has_residual_branches() drop those of the last block in training (blocks/drop_path.h);
  // above 0 the graph has an input "seed"{1} int64.
  double drop_path = 0;
  // Momentum of the running statistics; 1 makes them the statistics of the last batch.
  double norm_momentum = 0.1;
};

// A network over the input "image"{N,H,W,C}, or over token ids, "source"{N,S} and "previous"{N,T}.
struct NetworkGraph {
  kernels::Graph graph;
  kernels::Value logits;  // {N,classes} or {N,T,classes}, named "logits"
};

// Thread-safe, immutable.
class SearchSpace {
 public:
  virtual ~SearchSpace() = default;

  virtual std::string_view name() const = 0;
  virtual const std::vector<SpaceNode>& nodes() const = 0;
  // {H,W,C} of a network's input, or {tokens} of its rows where it translates; and the number of classes.
  virtual kernels::Shape input_shape(const Choice& choice) const = 0;
  kernels::Shape input_shape() const { return input_shape(base()); }
  virtual int64_t classes() const = 0;
  // The macro parameters as JSON, to be stored with weights and tables: what Make... needs to build the same space
  // again.
  virtual std::string MacroJson() const = 0;

  // A subnet from JSON text in the form of spec/interfaces.md 1; errors name the entry and what was expected.
  virtual absl::StatusOr<Choice> ParseSubnet(std::string_view json) const = 0;
  virtual std::string SubnetJson(const Choice& choice) const = 0;

  // The graph of one network. Errors of shapes are in graph.status().
  virtual NetworkGraph Network(const Choice& choice, const GraphRequest& request) const = 0;
  // All candidates at once, over the shared weights, so that its leaves are the tensors of the supernet: each node the
  // mean of its candidates' outputs or, where candidates are parts of one another, the largest of them.
  virtual NetworkGraph Supernet(const GraphRequest& request) const = 0;
  // The name in the supernet of a tensor of a network with own weights.
  virtual std::string SharedName(std::string_view own_name, const Choice& choice) const = 0;
  // What a tensor {shape} of a network with own weights is in a graph over the supernet's tensors: a slice of the one
  // of its SharedName, or what is computed of it.
  virtual kernels::Value OwnTensor(kernels::Graph& g, std::string_view own_name, const kernels::Shape& shape,
                                   const Choice& choice) const;

  virtual std::optional<SpaceCell> cell() const { return std::nullopt; }
  virtual SpaceStructure structure() const { return {}; }
  // The smallest and the largest network, of a space where all others lie between; the resolution counts too.
  struct Extremes {
    Choice smallest, largest;
  };
  virtual std::optional<Extremes> extremes() const { return std::nullopt; }
  // How its weights begin (weights.h).
  virtual Initialization initialization() const { return Initialization::kPyTorch; }
  // Whether its networks take tokens of one language and say those of another (NetworkGraph).
  virtual bool translates() const { return false; }
  // Whether its blocks have residual branches, which training can drop (GraphRequest::drop_path).
  virtual bool has_residual_branches() const { return false; }
  // Whether images of any size are brought to that of the network (network_input.h); otherwise they must have it.
  virtual bool takes_any_image_size() const { return false; }
  virtual BatchVariance recalibrated_variance() const { return BatchVariance::kUnbiased; }
  // Whose tensors the golden values are made with (spec/search-spaces.md 1.2).
  virtual Weights synthetic_weights() const { return Weights::kOwn; }
  // The node that a block of a graph belongs to; -1 for the fixed part (stem, reductions, head).
  virtual int NodeOfBlock(std::string_view block) const = 0;
  // How this space counts FLOPs (spec/search-spaces.md 7.8), and the count.
  virtual std::string_view flops_convention() const = 0;
  virtual std::string_view flops_unit() const { return "MMAC"; }  // of a million of them
  virtual int64_t Flops(const kernels::Counts& counts) const = 0;
  // Whether the work of a block is part of that count.
  virtual bool counts_as_flops(std::string_view) const { return true; }
  // Whether this parameter is among those that the space's reference counts; and how many it counts besides in a block
  // (in none: ""), which no network of its own has, or fewer than that has.
  virtual bool counts_as_parameter(std::string_view) const { return true; }
  virtual int64_t unused_parameters(const Choice&, std::string_view) const { return 0; }
  // The work of a network from that of its operators, in their order, as the reference adds it up.
  virtual kernels::Counts Sum(const std::vector<kernels::Counts>& operators) const;

  // Number of networks, as a double: spaces can be large.
  double size() const;
  // InvalidArgument unless there is one valid candidate per node.
  absl::Status Check(const Choice& choice) const;
  // Every node at its reference block: N~ of the paper.
  Choice base() const;
};

}  // namespace mathnas::supernet

#endif  // MATHNAS_SUPERNET_SEARCH_SPACE_H_
